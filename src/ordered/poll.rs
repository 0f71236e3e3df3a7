//! How often whoever waits asks whether to go on.

use std::time::Duration;

/// How long a thread waits for a result before it asks the monitor again. A third of the 100 ms within which Ctrl-C must work.
pub(crate) const POLL: Duration = Duration::from_millis(30);
