//! The files over all shards: rejects, index, and last the manifest that makes them a data set.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use base64::Engine;
use serde::{Deserialize, Serialize};

use crate::builder::plan::Unit;
use crate::builder::seal::{sync_folder, write_file};
use crate::builder::{Options, Report};
use crate::dataset::manifest::{Manifest, ManifestOptions, PicturesPerRow, ShardRecord, SourceRecord, Tool, Totals};
use crate::dataset::npy::header;
use crate::dataset::picture_store::read_pictures;
use crate::dataset::record::{FORMAT, FileInfo, INDEX, MANIFEST, REJECTS, UnitFile, hex};
use crate::error::{Error, Result};
use crate::jsonl::lines::read_exact;
use crate::picture::{ImageSpec, PIXELS_VERSION};
use crate::scan::{Scan, open_source};
use crate::store::folder::FolderStore;

#[derive(Serialize)]
struct Reject<'a> {
    source: &'a str,
    line: u64,
    byte: u64,
    codes: Vec<&'a str>,
    #[serde(flatten)]
    body: Body,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Body {
    Text(String),
    Base64(String),
    Length(u64),
}

/// The rejected rows of a scan and of its units, as `rejects.jsonl` holds them.
pub fn rejects(scan: &Scan, records: &[(UnitFile, FileInfo)]) -> Result<Vec<u8>> {
    let mut codes: HashMap<(u32, u64), Vec<&str>> = HashMap::new();
    for located in scan.findings.iter().filter(|located| located.finding.code.rejects()) {
        let known = codes.entry((located.source, located.line)).or_default();
        let name = located.finding.code.name();
        // Findings of a row come in the order of the catalogue.
        if known.last() != Some(&name) {
            known.push(name);
        }
    }
    let numbers: HashMap<&str, u32> = scan
        .sources
        .iter()
        .enumerate()
        .map(|(i, source)| (source.name.as_str(), i as u32))
        .collect();
    for reject in records.iter().flat_map(|(record, _)| &record.rejects) {
        if let Some(&source) = numbers.get(reject.source.as_str()) {
            codes.insert((source, reject.line), reject.codes.iter().map(String::as_str).collect());
        }
    }
    let mut files = Vec::new();
    for source in &scan.sources {
        files.push(open_source(&source.path)?.0);
    }
    let (mut text, mut line) = (Vec::new(), Vec::new());
    for row in &scan.rows {
        let Some(codes) = codes.remove(&(row.source, row.line)) else {
            continue;
        };
        let source = &scan.sources[row.source as usize];
        let body = if codes.contains(&"line.too_long") {
            Body::Length(row.length)
        } else {
            line.resize(row.length as usize, 0);
            read_exact(&files[row.source as usize], &source.path, row.offset, &mut line)?;
            match std::str::from_utf8(&line) {
                Ok(text) => Body::Text(text.to_owned()),
                Err(_) => Body::Base64(base64::engine::general_purpose::STANDARD.encode(&line)),
            }
        };
        let reject = Reject {
            source: &source.name,
            line: row.line,
            byte: row.offset,
            codes,
            body,
        };
        serde_json::to_writer(&mut text, &reject).map_err(|error| Error::internal(error.to_string()))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Row number to shard and row in shard, as `rows.index.npy` holds it.
fn index(scan: &Scan, units: &[Unit], records: &[(UnitFile, FileInfo)]) -> Vec<u8> {
    let mut places: Vec<u64> = vec![u64::MAX; scan.rows.len()];
    for (shard, (unit, (record, _))) in units.iter().zip(records).enumerate() {
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
fn count_distinct(scan: &Scan, units: &[Unit], records: &[(UnitFile, FileInfo)], out: &Path) -> Result<u64> {
    let mut stored: HashSet<[u8; 32]> = HashSet::new();
    for (unit, (record, _)) in units.iter().zip(records) {
        if record.pictures == unit.pictures.len() as u64 {
            stored.extend(unit.pictures.iter().map(|&number| scan.pictures[number as usize].hash));
        } else {
            stored.extend(
                read_pictures(&FolderStore::new(&out.join(&unit.folder)))?
                    .into_iter()
                    .map(|picture| picture.hash),
            );
        }
    }
    Ok(stored.len() as u64)
}

fn info(name: &str, bytes: &[u8]) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        bytes: bytes.len() as u64,
        blake3: blake3::hash(bytes).to_hex().to_string(),
    }
}

/// Writes the three files, the manifest last; `counts` becomes the rejected rows by code.
#[expect(clippy::too_many_arguments, reason = "one call site, and nothing here belongs together outside it")]
pub fn commit(
    scan: &Scan,
    units: &[Unit],
    records: &[(UnitFile, FileInfo)],
    out: &Path,
    work: &Path,
    spec: &ImageSpec,
    options: ManifestOptions,
    counts: &mut BTreeMap<String, u64>,
) -> Result<Manifest> {
    let (rejects, index) = (rejects(scan, records)?, index(scan, units, records));
    *counts = count(&rejects);
    let manifest = assemble(
        scan,
        units,
        records,
        spec,
        options,
        count_distinct(scan, units, records, out)?,
        vec![info(REJECTS, &rejects), info(INDEX, &index)],
    );
    let files = [(REJECTS, rejects), (INDEX, index), (MANIFEST, manifest.to_bytes())];
    for (name, bytes) in &files {
        write_file(&work.join(name), bytes)?;
    }
    for (name, _) in &files {
        let target = out.join(name);
        fs::rename(work.join(name), &target).map_err(|error| Error::io("move into place", &target, error))?;
    }
    sync_folder(out)?;
    Ok(manifest)
}

/// Puts together what is known when every unit is done.
fn assemble(
    scan: &Scan,
    units: &[Unit],
    records: &[(UnitFile, FileInfo)],
    spec: &ImageSpec,
    options: ManifestOptions,
    distinct_pictures: u64,
    files: Vec<FileInfo>,
) -> Manifest {
    let mut rejected: Vec<u64> = vec![0; scan.sources.len()];
    for row in scan.rows.iter().filter(|row| row.rejected) {
        rejected[row.source as usize] += 1;
    }
    let lost: HashSet<(&str, u64)> = records
        .iter()
        .flat_map(|(record, _)| &record.rejects)
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
    let shards: Vec<ShardRecord> = units
        .iter()
        .zip(records)
        .map(|(unit, (record, own))| {
            let mut files = record.files.clone();
            files.push(own.clone());
            files.sort_by(|a, b| a.name.cmp(&b.name));
            let (rows, pictures) = (record.rows, record.pictures);
            ShardRecord {
                folder: unit.folder.clone(),
                rows,
                pictures,
                gray: record.gray,
                rgb: record.rgb,
                pixels: record.pixels,
                files,
            }
        })
        .collect();
    let stored: u64 = shards.iter().map(|shard| shard.pictures).sum();
    let totals = Totals {
        lines: sources.iter().map(|source| source.lines).sum(),
        rows: sources.iter().map(|source| source.rows).sum(),
        rejected: sources.iter().map(|source| source.rejected).sum(),
        pictures: stored,
        distinct_pictures,
    };
    let mut manifest = Manifest {
        format: FORMAT,
        tool: Tool {
            name: "mmno_fast".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        spec: spec.clone(),
        pixels_version: PIXELS_VERSION,
        options,
        sources,
        shards,
        totals,
        pictures_per_row: per_row,
        files,
        manifest_blake3: "0".repeat(64),
    };
    manifest.manifest_blake3 = blake3::hash(&manifest.to_bytes()).to_hex().to_string();
    manifest
}

/// Whether a build of this scan would give this very data set.
pub fn describes(manifest: &Manifest, scan: &Scan, spec: &ImageSpec, options: &ManifestOptions, units: &[Unit]) -> bool {
    let sources = scan
        .sources
        .iter()
        .zip(&scan.infos)
        .map(|(source, info)| (source.name.as_str(), info.bytes, hex(&info.hash)));
    manifest.spec == *spec
        && manifest.pixels_version == PIXELS_VERSION
        && manifest.options == *options
        && sources.eq(manifest
            .sources
            .iter()
            .map(|source| (source.name.as_str(), source.bytes, source.blake3.clone())))
        && units
            .iter()
            .map(|unit| &unit.folder)
            .eq(manifest.shards.iter().map(|shard| &shard.folder))
}

/// Copies the totals into a report.
pub fn fill(manifest: &Manifest, report: &mut Report) {
    report.rows = manifest.totals.rows;
    report.rejected = manifest.totals.rejected;
    report.lines = manifest.totals.lines;
    report.pictures = manifest.totals.pictures;
    report.distinct_pictures = manifest.totals.distinct_pictures;
    report.shards = manifest.shards.len() as u64;
    report.bytes = manifest
        .shards
        .iter()
        .flat_map(|shard| &shard.files)
        .chain(&manifest.files)
        .map(|file| file.bytes)
        .sum();
}

/// What of the options the bytes depend on.
pub fn manifest_options(options: &Options) -> ManifestOptions {
    ManifestOptions {
        shard_bytes: options.shard_bytes,
        shuffle_seed: options.shuffle_seed,
        placeholders: options.scan.placeholders.as_str().to_owned(),
        strip_prefix: options.scan.strip_prefix.clone(),
        max_line_bytes: options.scan.max_line_bytes,
    }
}

#[derive(Deserialize)]
struct Codes {
    codes: Vec<String>,
}

fn count(rejects: &[u8]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in rejects.split(|&byte| byte == b'\n') {
        if let Ok(reject) = serde_json::from_slice::<Codes>(line) {
            for code in reject.codes {
                *counts.entry(code).or_insert(0) += 1;
            }
        }
    }
    counts
}

/// Rejected rows by code, from the file that is there.
pub fn count_rejects(out: &Path) -> Result<BTreeMap<String, u64>> {
    let path = out.join(REJECTS);
    fs::read(&path)
        .map(|bytes| count(&bytes))
        .map_err(|error| Error::io("read", &path, error))
}
