//! What no build can beat on one thread: bare decode + bare resize kernel + writing of the same bytes. No probing, hashing, copying.
//!
//! `floor SPEC LIST OUT [FILE…]` reads from LIST one picture a line: the store that its pixels go to, a tabulator, its path. It writes
//! the pixels to `OUT/<store>` and each FILE again, and prints seconds as JSON. The pixels are those of a build: the caller compares.

mod bare;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bare::{Jpeg, Outcome, bitmap, decode_png, refuse, resize};
use mmno_fast::picture::{Format, ImageSpec, Preparer, Size, probe};

fn main() -> Outcome<()> {
    // `cargo bench` adds a flag, and without arguments there is nothing to measure.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [spec, list, out, files @ ..] = arguments.as_slice() else {
        return Ok(());
    };
    let spec = ImageSpec::from_json(spec)?;
    let original = ImageSpec {
        size: Size::Original,
        ..spec.clone()
    };
    let (mut preparer, jpeg) = (Preparer::new(), Jpeg::decoder());
    let (mut bare, mut pixels, mut resized) = (Vec::new(), Vec::new(), Vec::new());
    let mut stores: BTreeMap<String, File> = BTreeMap::new();
    let [mut decoding, mut resizing, mut writing] = [Duration::ZERO; 3];
    for line in fs::read_to_string(list)?.lines() {
        let (store, path) = line.split_once('\t').ok_or("a line without a tabulator")?;
        let bytes = fs::read(path)?;
        let header = probe(&bytes).map_err(|fault| fault.message)?;
        let shape = preparer
            .prepare(&bytes, &header, &original, &mut pixels)
            .map_err(|fault| fault.message)?;
        let began = Instant::now();
        match header.format {
            Format::Jpeg => jpeg.decode(&bytes, &mut bare)?,
            Format::Png => decode_png(&bytes, &mut bare)?,
            // Bitmaps need no library: our own reader is as bare as can be.
            Format::Bmp | Format::Gif | Format::Tiff | Format::Webp => preparer
                .decode_only(&bytes, &header, &original)
                .map(|_| ())
                .map_err(|fault| fault.message)?,
        }
        decoding += began.elapsed();
        // Three equal channels are stored as one.
        let same = !matches!(header.format, Format::Jpeg | Format::Png) || bare == pixels || bare.iter().step_by(3).eq(&pixels);
        if !same {
            return refuse(format!("{path}: the bare library gives other pixels"));
        }
        resizing += resize(&mut preparer, &bitmap(&pixels, shape), &spec, &mut resized)?;
        if !stores.contains_key(store) {
            stores.insert(store.to_owned(), File::create(Path::new(out).join(store))?);
        }
        if let Some(file) = stores.get_mut(store) {
            let began = Instant::now();
            file.write_all(&resized)?;
            writing += began.elapsed();
        }
    }
    for (number, file) in files.iter().enumerate() {
        let bytes = fs::read(file)?;
        let began = Instant::now();
        let mut copy = File::create(Path::new(out).join(format!("file-{number}")))?;
        copy.write_all(&bytes)?;
        writing += began.elapsed();
        stores.insert(format!("file-{number}"), copy);
    }
    let began = Instant::now();
    for file in stores.values() {
        file.sync_all()?;
    }
    let [decode, resize, write, sync] = [decoding, resizing, writing, began.elapsed()].map(|time| time.as_secs_f64());
    let seconds = serde_json::json!({"decode": decode, "resize": resize, "write": write, "sync": sync});
    writeln!(std::io::stdout(), "{seconds}")?;
    Ok(())
}
