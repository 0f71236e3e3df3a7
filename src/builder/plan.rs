//! Which pictures and rows make which shard. Pure: the same for the same scan on any machine (`docs/format.md`, "Order").

use std::sync::Arc;

use crate::builder::fingerprint::fingerprint;
use crate::builder::options::Options;
use crate::builder::task::{Setting, TaskPicture, TaskRoot, TaskRow, TaskRows, UnitTask};
use crate::error::{Error, Result};
use crate::picture::ImageSpec;
use crate::scan::model::Scan;
use crate::scan::options::ScanOptions;
use crate::store::resolve::Resolver;

/// The independent piece of work that makes one shard: numbers in the scan. [`Plan::task`] makes a value of it.
#[derive(Debug, Clone)]
pub struct Unit {
    /// 64 hex digits over everything that the shard's bytes follow from.
    pub fingerprint: String,
    /// The shard's folder: its first 16 digits.
    pub folder: String,
    /// The scan's pictures: this unit's run, then those that its rows need besides.
    pub pictures: Vec<u32>,
    /// Its rows, sorted by (position of the first picture, row number).
    pub rows: UnitRows,
    /// How many of the pictures live elsewhere and are stored again.
    pub again: u64,
}

/// The rows of a unit, and for each the positions of its pictures in the unit. Flat: there may be millions.
#[derive(Debug, Clone, Default)]
pub struct UnitRows {
    /// Numbers in the scan's rows.
    numbers: Vec<u32>,
    /// Where the positions of each row end.
    ends: Vec<u32>,
    positions: Vec<u32>,
}

impl UnitRows {
    fn with_capacity(rows: usize) -> Self {
        Self {
            numbers: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            positions: Vec::with_capacity(rows),
        }
    }

    fn push(&mut self, row: u32, positions: impl Iterator<Item = u32>) {
        self.positions.extend(positions);
        self.numbers.push(row);
        self.ends.push(self.positions.len() as u32);
    }

    /// Numbers in the scan's rows.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Each row's number, and the positions of its pictures.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.numbers
            .iter()
            .zip(starts.zip(&self.ends))
            .map(|(&row, (start, &end))| (row, self.positions.get(start as usize..end as usize).unwrap_or_default()))
    }
}

/// All units of a build.
pub struct Plan {
    /// In the order of the data set.
    pub units: Vec<Unit>,
    setting: Arc<Setting>,
    /// The names of each picture of the scan.
    names: Vec<Vec<u32>>,
}

impl Plan {
    /// Plans the data set of a scan.
    pub fn new(scan: &Scan, options: &Options) -> Result<Self> {
        let names = scan.names_by_picture();
        Ok(Self {
            units: plan(scan, options, &names)?,
            setting: Arc::new(setting(scan, &options.scan)),
            names,
        })
    }

    /// What all its tasks share.
    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    /// The task of a unit, by number. `scan` is the one that was planned.
    pub fn task(&self, scan: &Scan, unit: usize) -> Result<UnitTask> {
        let unit = self.units.get(unit).ok_or_else(|| {
            let count = self.units.len();
            Error::usage(format!("expected the number of a unit from 0 to {count}, found {unit}"))
        })?;
        let mut rows = TaskRows::with_capacity(unit.rows.numbers().len());
        for (number, positions) in unit.rows.iter() {
            let row = &scan.rows[number as usize];
            let row = TaskRow {
                source: row.source,
                record: row.line,
                part: 0,
                place: row.place(),
                hash: row.hash,
            };
            if !rows.push(row, positions) {
                return Err(Error::internal("a unit has more pictures of rows than can be numbered"));
            }
        }
        let pictures = unit.pictures.iter().map(|&number| {
            let picture = &scan.pictures[number as usize];
            TaskPicture {
                root: picture.root as u32,
                file: picture.file.as_str().into(),
                hash: picture.hash,
                header: picture.probe,
                names: self.names[number as usize]
                    .iter()
                    .map(|&name| scan.names[name as usize].clone())
                    .collect(),
            }
        });
        Ok(UnitTask {
            fingerprint: unit.fingerprint.clone(),
            setting: Arc::clone(&self.setting),
            rows,
            pictures: pictures.collect(),
        })
    }
}

fn setting(scan: &Scan, options: &ScanOptions) -> Setting {
    let roots = scan.resolver.iter().flat_map(Resolver::roots);
    Setting {
        options: options.clone(),
        sources: scan.sources.clone(),
        roots: roots
            .map(|root| TaskRoot {
                given: root.given.clone(),
                below: root.below.clone(),
            })
            .collect(),
    }
}

/// Makes the units.
fn plan(scan: &Scan, options: &Options, names: &[Vec<u32>]) -> Result<Vec<Unit>> {
    let (spec, shard_bytes) = (&options.scan.spec, options.shard_bytes);
    let pictures_of = |row: u32| -> Vec<u32> {
        scan.names_of(&scan.rows[row as usize])
            .iter()
            .filter_map(|&name| scan.picture_of(name))
            .collect()
    };
    let accepted: Vec<u32> = (0..scan.rows.len() as u32)
        .filter(|&row| !scan.rows[row as usize].rejected)
        .collect();

    let mut order: Vec<u32> = Vec::new();
    let mut seen = vec![false; scan.pictures.len()];
    for &row in &accepted {
        for picture in pictures_of(row) {
            if !std::mem::replace(&mut seen[picture as usize], true) {
                order.push(picture);
            }
        }
    }
    if let Some(seed) = options.shuffle_seed {
        order.sort_by_cached_key(|&picture| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes()).update(&scan.pictures[picture as usize].hash);
            *hasher.finalize().as_bytes()
        });
    }

    // Runs of pictures; `home[picture]` is the unit it lives in.
    let mut runs: Vec<Vec<u32>> = Vec::new();
    let mut home = vec![0u32; scan.pictures.len()];
    let mut filled = 0u64;
    for picture in order {
        let bytes = spec.planned_bytes(&scan.pictures[picture as usize].probe);
        match runs.last_mut() {
            Some(run) if filled.saturating_add(bytes) <= shard_bytes => {
                run.push(picture);
                filled += bytes;
            }
            _ => {
                runs.push(vec![picture]);
                filled = bytes;
            }
        }
        home[picture as usize] = runs.len() as u32 - 1;
    }

    let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); runs.len()];
    let mut texts: Vec<Vec<u32>> = Vec::new();
    let mut text_bytes = 0u64;
    for &row in &accepted {
        if let Some(first) = pictures_of(row).first() {
            rows_of[home[*first as usize] as usize].push(row);
        } else {
            let length = scan.rows[row as usize].length;
            match texts.last_mut() {
                Some(rows) if text_bytes.saturating_add(length) <= shard_bytes => {
                    rows.push(row);
                    text_bytes += length;
                }
                _ => {
                    texts.push(vec![row]);
                    text_bytes = length;
                }
            }
        }
    }

    let mut position = vec![u32::MAX; scan.pictures.len()];
    let pictured = runs.into_iter().zip(rows_of);
    pictured
        .chain(texts.into_iter().map(|rows| (Vec::new(), rows)))
        .map(|(run, rows)| make_unit(scan, spec, run, rows, &pictures_of, names, &mut position))
        .collect()
}

/// `position` is scratch: `u32::MAX` everywhere, before and after.
fn make_unit(
    scan: &Scan,
    spec: &ImageSpec,
    run: Vec<u32>,
    mut rows: Vec<u32>,
    pictures_of: &dyn Fn(u32) -> Vec<u32>,
    names: &[Vec<u32>],
    position: &mut [u32],
) -> Result<Unit> {
    let own = run.len();
    let mut pictures = run;
    for (i, &picture) in pictures.iter().enumerate() {
        position[picture as usize] = i as u32;
    }
    rows.sort_by_key(|&row| (pictures_of(row).first().map_or(0, |&picture| position[picture as usize]), row));
    let mut unit_rows = UnitRows::with_capacity(rows.len());
    for row in rows {
        let places = pictures_of(row).into_iter().map(|picture| {
            if position[picture as usize] == u32::MAX {
                position[picture as usize] = pictures.len() as u32;
                pictures.push(picture);
            }
            position[picture as usize]
        });
        unit_rows.push(row, places);
    }
    let rows = unit_rows;
    for &picture in &pictures {
        position[picture as usize] = u32::MAX;
    }
    let fingerprint = fingerprint_of(scan, spec, &pictures, &rows, names)?;
    Ok(Unit {
        folder: fingerprint.chars().take(16).collect(),
        fingerprint,
        again: (pictures.len() - own) as u64,
        pictures,
        rows,
    })
}

fn fingerprint_of(scan: &Scan, spec: &ImageSpec, pictures: &[u32], rows: &UnitRows, names: &[Vec<u32>]) -> Result<String> {
    let pictures = pictures.iter().map(|&picture| {
        let names = names[picture as usize].iter().map(|&name| &*scan.names[name as usize]);
        (&scan.pictures[picture as usize].hash, names.collect())
    });
    let rows = rows.iter().map(|(number, positions)| {
        let row = &scan.rows[number as usize];
        (scan.sources[row.source as usize].name.as_str(), row.line, &row.hash, positions)
    });
    fingerprint(spec, pictures, rows)
}
