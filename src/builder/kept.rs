//! The shards that are there already. Each is read whole, and kept only where every byte is what was recorded when it was written.

use std::collections::HashMap;
use std::io::ErrorKind;

use crate::builder::plan::Unit;
use crate::builder::seal::Built;
use crate::dataset::compare::{difference, is_damage};
use crate::dataset::manifest::Manifest;
use crate::dataset::record::{FileInfo, UNIT_FILE, UnitFile};
use crate::error::{Error, Kind, Result};
use crate::ordered::{self, Turn};
use crate::progress::{Counters, Stage};
use crate::scan::model::Run;
use crate::store::Store;

/// What became of the units of a plan.
pub(super) struct Kept {
    /// By unit: its shard, if it is there and whole.
    pub(super) built: Vec<Option<Built>>,
    /// The names of those that are there and damaged. They are made anew.
    pub(super) damaged: Vec<String>,
}

/// Looks for the shards of `units`, which must be what `before` says of them. With `trust`, lengths are compared, and hashes are not.
pub(super) fn find(store: &dyn Store, units: &[Unit], before: Option<&Manifest>, trust: bool, run: Run<'_>) -> Result<Kept> {
    let listed = listed_records(before);
    let mut found = Vec::with_capacity(units.len());
    for unit in units {
        let record = open_record(&*store.below(&unit.folder), unit)?;
        let is_listed = |built: &Built| listed(&unit.folder).is_none_or(|own| *own == built.own);
        found.push(match record {
            Found::Whole(built) if !is_listed(&built) => Found::Damaged,
            record => record,
        });
    }
    let files: Vec<(usize, &FileInfo)> = (0..)
        .zip(&found)
        .filter_map(|(number, found)| match found {
            Found::Whole(built) => Some((number, built)),
            _ => None,
        })
        .flat_map(|(number, built)| built.record.files.iter().map(move |file| (number, file)))
        .collect();
    let mut is_damaged: Vec<bool> = found.iter().map(|found| matches!(found, Found::Damaged)).collect();
    compare(store, units, &files, trust, run, &mut is_damaged)?;
    let damaged = units.iter().zip(&is_damaged).filter(|(_, damaged)| **damaged);
    Ok(Kept {
        damaged: damaged.map(|(unit, _)| unit.folder.clone()).collect(),
        built: found
            .into_iter()
            .zip(is_damaged)
            .map(|(found, damaged)| match found {
                Found::Whole(built) if !damaged => Some(*built),
                _ => None,
            })
            .collect(),
    })
}

/// The shard of a unit that others have built in the meantime.
pub(super) fn find_one(store: &dyn Store, unit: &Unit, trust: bool, run: Run<'_>) -> Result<Option<Built>> {
    Ok(find(store, std::slice::from_ref(unit), None, trust, run)?.built.pop().flatten())
}

/// Compares files with their entries; which units have one that differs.
fn compare(
    store: &dyn Store,
    units: &[Unit],
    files: &[(usize, &FileInfo)],
    trust: bool,
    run: Run<'_>,
    is_damaged: &mut [bool],
) -> Result<()> {
    if !files.is_empty() {
        run.counters
            .enter(Stage::Verify, files.iter().fold(0, |sum, (_, file)| sum.saturating_add(file.bytes)));
    }
    let mut numbers = files.iter().map(|(number, _)| *number);
    ordered::map(
        run.pool,
        files.iter(),
        |_| Turn::InOrder(0),
        Vec::new,
        |buffer, (number, file)| {
            let folder = units.get(*number).map_or("", |unit| &unit.folder);
            let path = format!("{folder}/{}", file.name);
            let differs = difference(store, &path, file, !trust, buffer).map_err(|error| Error::io("read", &store.label(&path), error));
            Counters::add(&run.counters.done, file.bytes);
            Ok(differs?.is_some())
        },
        |differs: Result<bool>| {
            let place = numbers.next().and_then(|number| is_damaged.get_mut(number));
            *place.ok_or_else(|| Error::internal("a file was compared that is none"))? |= differs?;
            Ok(())
        },
    )
}

enum Found {
    Nothing,
    Damaged,
    Whole(Box<Built>),
}

/// The entries of the shards' own records in a manifest, by folder.
fn listed_records<'m>(manifest: Option<&'m Manifest>) -> impl for<'f> Fn(&'f str) -> Option<&'m FileInfo> {
    let shards = manifest.map(|manifest| &*manifest.shards).unwrap_or_default();
    let records: HashMap<&str, &FileInfo> = shards
        .iter()
        .filter_map(|shard| Some((&*shard.folder, shard.files.iter().find(|file| file.name == UNIT_FILE)?)))
        .collect();
    move |folder| records.get(folder).copied()
}

/// The record of a unit's shard. It must be in the very form in which it is written, so that little can change in it unseen.
fn open_record(shard: &dyn Store, unit: &Unit) -> Result<Found> {
    match UnitFile::open(shard) {
        Ok((record, own)) => {
            let is_whole = record.fingerprint == unit.fingerprint && FileInfo::of(UNIT_FILE, &record.to_bytes()) == own;
            Ok(if is_whole {
                Found::Whole(Box::new(Built { record, own }))
            } else {
                Found::Damaged
            })
        }
        Err(error) => match error.kind() {
            Kind::Io { source, .. } if source.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
            _ if is_damage(&error) => Ok(Found::Damaged),
            _ => Err(error),
        },
    }
}
