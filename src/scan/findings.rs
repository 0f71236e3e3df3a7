//! What a scan has to say. The first findings of each code and source are kept, all are counted, and of a rejected row every code is known, however
//! many there are: a file that holds no rows at all must not fill memory.

use crate::error::Result;
use crate::finding::{Code, Finding};

/// So many findings of each code and source are kept, those of the first lines.
pub const FINDINGS_KEPT: u64 = 10_000;

const CODES: usize = Code::ALL.len();
const _: () = assert!(CODES <= u64::BITS as usize, "the codes of a row are the bits of one number");

/// How often each code was said.
type Counts = [u64; CODES];

/// A finding and the row it is about.
#[derive(Debug, Clone)]
pub struct Located {
    /// The source, by number.
    pub source: u32,
    /// The line, from 1; 0: the whole source.
    pub line: u64,
    /// What there is to say.
    pub finding: Finding,
}

/// Takes every finding, kept or not.
pub type Listener<'a> = dyn FnMut(&Located) -> Result<()> + 'a;

/// What is said of the lines of one piece of a source, for any thread. Lines and rows are counted from its beginning.
pub(super) struct Said {
    counts: Counts,
    found: Vec<(u64, Finding)>,
    /// The codes that reject a row, as bits; rows in their order.
    rejections: Vec<(usize, u64)>,
    /// Whether somebody wants them all.
    all: bool,
}

impl Said {
    pub(super) fn new(all: bool) -> Self {
        Self {
            counts: [0; CODES],
            found: Vec::new(),
            rejections: Vec::new(),
            all,
        }
    }

    pub(super) fn say(&mut self, row: usize, line: u64, finding: Finding) {
        reject(&mut self.rejections, row, finding.code);
        let count = &mut self.counts[finding.code as usize];
        *count += 1;
        if self.all || *count <= FINDINGS_KEPT {
            self.found.push((line, finding));
        }
    }
}

/// Notes that a row has a finding of this code. Rows come in their order.
fn reject(rejections: &mut Vec<(usize, u64)>, row: usize, code: Code) {
    if !code.rejects() {
        return;
    }
    let bit = 1 << code as u32;
    match rejections.last_mut() {
        Some((last, bits)) if *last == row => *bits |= bit,
        _ => rejections.push((row, bit)),
    }
}

/// All that a scan has to say, while it goes on.
#[derive(Default)]
pub(super) struct Collector<'a, 'b> {
    findings: Findings,
    listener: Option<&'a mut Listener<'b>>,
}

impl<'a, 'b> Collector<'a, 'b> {
    pub(super) fn new(listener: Option<&'a mut Listener<'b>>) -> Self {
        Self {
            findings: Findings::default(),
            listener,
        }
    }

    /// Whether every finding is wanted.
    pub(super) fn wants_all(&self) -> bool {
        self.listener.is_some()
    }

    /// One finding about a row, by its number; `None`: about a whole source, or none that rejects.
    pub(super) fn say(&mut self, row: Option<usize>, located: Located) -> Result<()> {
        let code = located.finding.code;
        if let Some(row) = row {
            reject(&mut self.findings.rejections, row, code);
        }
        let count = &mut self.findings.of_source(located.source)[code as usize];
        *count += 1;
        let kept = *count <= FINDINGS_KEPT;
        self.hear(located, kept)
    }

    /// What was said of a piece of a source, whose first line and row have these numbers.
    pub(super) fn take(&mut self, source: u32, first_line: u64, first_row: usize, said: Said) -> Result<()> {
        let rejections = said.rejections.iter().map(|(row, bits)| (first_row + row, *bits));
        self.findings.rejections.extend(rejections);
        let mut counts = *self.findings.of_source(source);
        for (line, finding) in said.found {
            let count = &mut counts[finding.code as usize];
            *count += 1;
            let kept = *count <= FINDINGS_KEPT;
            let line = first_line + line;
            self.hear(Located { source, line, finding }, kept)?;
        }
        for (count, more) in self.findings.of_source(source).iter_mut().zip(said.counts) {
            *count += more;
        }
        Ok(())
    }

    fn hear(&mut self, located: Located, kept: bool) -> Result<()> {
        if let Some(listener) = &mut self.listener {
            listener(&located)?;
        }
        if kept {
            self.findings.kept.push(located);
        }
        Ok(())
    }

    /// What there was to say, in order.
    pub(super) fn finish(self) -> Findings {
        let mut findings = self.findings;
        findings.kept.sort_by(|a, b| {
            (a.source, a.line, a.finding.code, &a.finding.pointer).cmp(&(b.source, b.line, b.finding.code, &b.finding.pointer))
        });
        // Those of rows, then those of pictures: two sorted lists, one behind the other.
        findings.rejections.sort_by_key(|(row, _)| *row);
        findings.rejections.dedup_by(|next, before| {
            let same = next.0 == before.0;
            before.1 |= if same { next.1 } else { 0 };
            same
        });
        findings
    }
}

/// All that a scan had to say.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The first [`FINDINGS_KEPT`] of each code and source, by (source, line, code).
    pub kept: Vec<Located>,
    /// By source.
    counts: Vec<Counts>,
    /// Of each rejected row its number and its codes, as bits.
    rejections: Vec<(usize, u64)>,
}

impl Findings {
    fn of_source(&mut self, source: u32) -> &mut Counts {
        let source = source as usize;
        if self.counts.len() <= source {
            self.counts.resize(source + 1, [0; CODES]);
        }
        &mut self.counts[source]
    }

    /// How often each code was said that was said at all, in the order of the catalogue.
    pub fn counts(&self) -> impl Iterator<Item = (Code, u64)> {
        Code::ALL.iter().filter_map(|code| {
            let count = self.counts.iter().map(|counts| counts[*code as usize]).sum();
            (count > 0).then_some((*code, count))
        })
    }

    /// How many there are, kept or not.
    pub fn count(&self) -> u64 {
        self.counts().map(|(_, count)| count).sum()
    }

    /// Of each rejected row its number, in order, and the codes that reject it, in the order of the catalogue.
    pub fn rejections(&self) -> impl Iterator<Item = (usize, Vec<Code>)> {
        self.rejections.iter().map(|(row, bits)| {
            let codes = Code::ALL.iter().filter(|code| bits >> **code as u32 & 1 == 1);
            (*row, codes.copied().collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: Code, byte: u64) -> Finding {
        Finding {
            code,
            byte,
            pointer: "".into(),
            message: "".into(),
        }
    }

    #[test]
    fn the_first_of_each_code_and_source_are_kept_and_all_are_counted_and_heard() {
        let mut heard = 0;
        let mut listener = |_: &Located| {
            heard += 1;
            Ok(())
        };
        let many = FINDINGS_KEPT as usize + 7;
        let mut collector = Collector::new(Some(&mut listener));
        for source in 0..2 {
            // In pieces of any length.
            for (first, last) in [(0, 5000), (5000, 5001), (5001, many)] {
                let mut said = Said::new(true);
                for row in 0..last - first {
                    said.say(row, row as u64, finding(Code::JsonSyntax, 0));
                    if row % 2 == 0 {
                        said.say(row, row as u64, finding(Code::McqOrder, 0));
                    }
                }
                collector
                    .take(source, first as u64 + 1, source as usize * many + first, said)
                    .unwrap();
            }
        }
        let findings = collector.finish();
        let syntax = findings.counts().next().unwrap();
        assert_eq!(syntax, (Code::JsonSyntax, 2 * many as u64));
        assert_eq!(heard, findings.count());
        for source in 0..2 {
            let lines: Vec<u64> = findings
                .kept
                .iter()
                .filter(|l| (l.source, l.finding.code) == (source, Code::JsonSyntax))
                .map(|l| l.line)
                .collect();
            assert!(lines.iter().copied().eq(1..=FINDINGS_KEPT));
        }
        // A row is rejected whether its finding is kept or not.
        assert!(findings.rejections().map(|(row, _)| row).eq(0..2 * many));
        assert!(findings.rejections().all(|(_, codes)| codes == [Code::JsonSyntax]));
    }

    #[test]
    fn the_codes_of_a_row_come_from_both_passes_in_the_order_of_the_catalogue() {
        let mut collector = Collector::new(None);
        let mut said = Said::new(false);
        said.say(1, 1, finding(Code::CotFinal, 0));
        said.say(1, 1, finding(Code::RowWrongType, 0));
        collector.take(0, 1, 0, said).unwrap();
        for row in [0, 1] {
            let located = Located {
                source: 0,
                line: row as u64 + 1,
                finding: finding(Code::ImagesMissing, 0),
            };
            collector.say(Some(row), located).unwrap();
        }
        let rejections: Vec<_> = collector.finish().rejections().collect();
        let second = vec![Code::RowWrongType, Code::CotFinal, Code::ImagesMissing];
        assert_eq!(rejections, [(0, vec![Code::ImagesMissing]), (1, second)]);
    }
}
