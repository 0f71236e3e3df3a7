//! What the files over all shards hold: rejects, index, and the manifest that makes them a data set.

use std::collections::HashSet;

use crate::builder::commit::TopFiles;
use crate::builder::inputs::Inputs;
use crate::builder::options::Options;
use crate::builder::plan::{Plan, Unit};
use crate::builder::rejects;
use crate::builder::seal::Built;
use crate::dataset::manifest::{Manifest, PicturesPerRow, ShardRecord, SourceRecord, Tool, Totals};
use crate::dataset::npy::header;
use crate::dataset::picture_store::read_pictures;
use crate::dataset::record::{FORMAT, FileInfo, INDEX, REJECTS, TopFile, hex};
use crate::error::Result;
use crate::picture::PIXELS_VERSION;
use crate::scan::model::Scan;
use crate::store::Store;

/// A data set whose shards are all there.
#[derive(Clone, Copy)]
pub struct Finished<'a> {
    /// What it was made of.
    pub scan: &'a Scan,
    /// Its units.
    pub plan: &'a Plan,
    /// Their shards, in the same order.
    pub built: &'a [Built],
    /// What was asked for.
    pub options: &'a Options,
}

/// Row number to shard and row in shard, as `rows.index.npy` holds it.
fn index(scan: &Scan, units: &[Unit], built: &[Built]) -> Vec<u8> {
    let mut places: Vec<u64> = vec![u64::MAX; scan.rows.len()];
    for (shard, (unit, Built { record, .. })) in units.iter().zip(built).enumerate() {
        let lost: HashSet<(&str, u64)> = record.rejects.iter().map(|reject| (reject.source.as_str(), reject.line)).collect();
        let mut in_shard = 0u64;
        for &number in unit.rows.numbers() {
            let row = &scan.rows[number as usize];
            if !lost.contains(&(scan.sources[row.source as usize].name.as_str(), row.line)) {
                places[number as usize] = (shard as u64) << 32 | in_shard;
                in_shard += 1;
            }
        }
    }
    places.retain(|&place| place != u64::MAX);
    let mut bytes = header("<u8", &[places.len() as u64]);
    bytes.extend(places.iter().flat_map(|place| place.to_le_bytes()));
    bytes
}

/// Distinct pictures in all shards. A shard that could not take all of its unit's is asked which ones it has.
fn count_distinct(scan: &Scan, units: &[Unit], built: &[Built], store: &dyn Store) -> Result<u64> {
    let mut stored: HashSet<[u8; 32]> = HashSet::new();
    for (unit, Built { record, .. }) in units.iter().zip(built) {
        if record.pictures == unit.pictures.len() as u64 {
            stored.extend(unit.pictures.iter().map(|&number| scan.pictures[number as usize].hash));
        } else {
            let pictures = read_pictures(&*store.below(&unit.folder))?;
            stored.extend(pictures.into_iter().map(|picture| picture.hash));
        }
    }
    Ok(stored.len() as u64)
}

impl Finished<'_> {
    /// Puts the three files together. `store` holds the shards. `trusted`: something was taken over whose hash was not compared.
    pub fn assemble(&self, inputs: &Inputs, store: &dyn Store, trusted: bool) -> Result<TopFiles> {
        let rejects = rejects::rejects(self.scan, self.built, inputs)?;
        let index = index(self.scan, &self.plan.units, self.built);
        let distinct = count_distinct(self.scan, &self.plan.units, self.built, store)?;
        let files = vec![entry(REJECTS, &rejects), entry(INDEX, &index)];
        Ok(TopFiles {
            manifest: self.manifest(distinct, files, trusted),
            rejects,
            index,
        })
    }

    /// Puts together what is known when every unit is done.
    fn manifest(&self, distinct_pictures: u64, files: Vec<FileInfo>, trusted_previous: bool) -> Manifest {
        let (sources, pictures_per_row) = count_rows(self.scan, self.built);
        let shards: Vec<ShardRecord> = self.plan.units.iter().zip(self.built).map(shard_record).collect();
        let totals = Totals {
            lines: sources.iter().map(|source| source.lines).sum(),
            rows: sources.iter().map(|source| source.rows).sum(),
            rejected: sources.iter().map(|source| source.rejected).sum(),
            pictures: shards.iter().map(|shard| shard.pictures).sum(),
            distinct_pictures,
        };
        let mut manifest = Manifest {
            format: FORMAT,
            tool: Tool {
                name: "mmno_fast".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            spec: self.options.scan.spec.clone(),
            pixels_version: PIXELS_VERSION,
            options: self.options.recorded(),
            trusted_previous,
            sources,
            shards,
            totals,
            pictures_per_row,
            files,
            manifest_blake3: "0".repeat(64),
        };
        manifest.manifest_blake3 = blake3::hash(&manifest.to_bytes()).to_hex().to_string();
        manifest
    }
}

/// The entry of a file over all shards, under the name that follows from its bytes.
fn entry(kind: TopFile, bytes: &[u8]) -> FileInfo {
    let mut entry = FileInfo::of(kind.plain, bytes);
    entry.name = kind.name(FORMAT, &entry.blake3);
    entry
}

/// The rows of each source, and how many pictures rows have.
fn count_rows(scan: &Scan, built: &[Built]) -> (Vec<SourceRecord>, PicturesPerRow) {
    let mut rejected: Vec<u64> = vec![0; scan.sources.len()];
    for row in scan.rows.iter().filter(|row| row.rejected) {
        rejected[row.source as usize] += 1;
    }
    let lost: HashSet<(&str, u64)> = built
        .iter()
        .flat_map(|unit| &unit.record.rejects)
        .map(|reject| (reject.source.as_str(), reject.line))
        .collect();
    let mut per_row = PicturesPerRow::default();
    for row in &scan.rows {
        if lost.contains(&(scan.sources[row.source as usize].name.as_str(), row.line)) {
            rejected[row.source as usize] += 1;
        } else if !row.rejected {
            let count = u64::from(row.names.1);
            per_row.largest = per_row.largest.max(count);
            *per_row.histogram.entry(count).or_insert(0) += 1;
        }
    }
    let sources: Vec<SourceRecord> = scan
        .sources
        .iter()
        .zip(&scan.infos)
        .zip(rejected)
        .map(|((source, info), rejected)| SourceRecord {
            name: source.name.clone(),
            bytes: info.bytes,
            blake3: hex(&info.hash),
            lines: info.lines,
            rows: info.lines - rejected,
            rejected,
        })
        .collect();
    (sources, per_row)
}

fn shard_record((unit, built): (&Unit, &Built)) -> ShardRecord {
    let record = &built.record;
    let mut files = record.files.clone();
    files.push(built.own.clone());
    files.sort_by(|a, b| a.name.cmp(&b.name));
    ShardRecord {
        folder: unit.folder.clone(),
        rows: record.rows,
        pictures: record.pictures,
        gray: record.gray,
        rgb: record.rgb,
        pixels: record.pixels,
        files,
    }
}

/// Whether a data set was made of these very rows, in this very way. Its pictures may be others.
pub fn is_of_the_same_rows(manifest: &Manifest, scan: &Scan, options: &Options) -> bool {
    let sources = scan
        .sources
        .iter()
        .zip(&scan.infos)
        .map(|(source, info)| (source.name.as_str(), info.bytes, hex(&info.hash)));
    manifest.spec == options.scan.spec
        && manifest.pixels_version == PIXELS_VERSION
        && manifest.options == options.recorded()
        && sources.eq(manifest
            .sources
            .iter()
            .map(|source| (source.name.as_str(), source.bytes, source.blake3.clone())))
}

/// Whether a data set has the shards that a plan asks for, by name.
pub fn has_shards_of(manifest: &Manifest, plan: &Plan) -> bool {
    let planned = plan.units.iter().map(|unit| &unit.folder);
    planned.eq(manifest.shards.iter().map(|shard| &shard.folder))
}
