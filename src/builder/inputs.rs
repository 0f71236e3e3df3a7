//! Where the rows and pictures of tasks are read from.

use std::collections::BTreeSet;

use crate::builder::task::{Setting, UnitTask};
use crate::error::{Error, Result};
use crate::jsonl::source::{JsonLines, RowSource};
use crate::store::{self, Store};

/// Open sources and roots, by their numbers in a [`Setting`].
pub struct Inputs {
    sources: Vec<Option<Box<dyn RowSource>>>,
    roots: Vec<Option<Box<dyn Store>>>,
}

impl Inputs {
    /// Opens all that any task of a build needs.
    pub fn of_build(setting: &Setting) -> Result<Self> {
        Self::open(setting, |_| true, |_| true)
    }

    /// Opens what one task needs, and nothing else.
    pub fn of_task(task: &UnitTask) -> Result<Self> {
        let sources: BTreeSet<u32> = task.rows().iter().map(|(row, _)| row.source).collect();
        let roots: BTreeSet<u32> = task.pictures().iter().map(|picture| picture.root).collect();
        Self::open(task.setting(), |source| sources.contains(&source), |root| roots.contains(&root))
    }

    fn open(setting: &Setting, needs_source: impl Fn(u32) -> bool, needs_root: impl Fn(u32) -> bool) -> Result<Self> {
        let (mut sources, mut roots) = (Vec::new(), Vec::new());
        for (number, source) in (0..).zip(&setting.sources) {
            let open = |()| JsonLines::open(&source.path).map(|source| Box::new(source) as Box<dyn RowSource>);
            sources.push(needs_source(number).then_some(()).map(open).transpose()?);
        }
        for (number, root) in (0..).zip(&setting.roots) {
            let open = |()| {
                store::open::root(&root.given, setting.options.follow_links).map(|store| match &*root.below {
                    [] => store,
                    below => store.below(&below.join("/")),
                })
            };
            roots.push(needs_root(number).then_some(()).map(open).transpose()?);
        }
        Ok(Self { sources, roots })
    }

    /// A source.
    pub fn source(&self, number: u32) -> Result<&dyn RowSource> {
        let source = self.sources.get(number as usize).and_then(Option::as_deref);
        source.ok_or_else(|| Error::internal(format!("source {number} is needed, and was not opened")))
    }

    /// A root of pictures.
    pub fn root(&self, number: u32) -> Result<&dyn Store> {
        let root = self.roots.get(number as usize).and_then(Option::as_deref);
        root.ok_or_else(|| Error::internal(format!("root {number} is needed, and was not opened")))
    }
}
