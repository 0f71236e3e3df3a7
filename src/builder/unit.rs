//! Units become shards: the pictures of all tasks are one stream of items; the consumer appends them, in order, to the open shard; sealing a
//! shard is an item of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use crate::builder::inputs::Inputs;
use crate::builder::previous::Previous;
use crate::builder::seal::{Built, Sealing, Stored, pixel_file};
use crate::builder::task::UnitTask;
use crate::dataset::pixels::{PIXEL_FILES, PixelWriter};
use crate::error::{Error, Result, reserve};
use crate::finding::{Code, quote};
use crate::ordered::{self, Turn};
use crate::picture::{Fault, KEPT_BUFFER_BYTES, KEPT_BYTES, Preparer, keep_at_most};
use crate::progress::Counters;
use crate::scan::model::Run;
use crate::store::Sink;
use crate::store::read::{KnownFile, read_known};

/// Bytes that a result's buffer may have beyond the result.
const SLACK: usize = 1 << 20;

/// What building units needs besides their tasks.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// Where their rows and pictures are read.
    pub inputs: &'a Inputs,
    /// Where their shards go.
    pub sink: &'a dyn Sink,
    /// What can be taken over instead of being made; the bytes are the same either way.
    pub previous: &'a Previous,
}

/// What was done, besides shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pictures decoded.
    pub decoded: u64,
    /// Pictures copied from the data set before.
    pub copied: u64,
    /// Shards whose pixel files were linked from there.
    pub linked: u64,
}

/// Builds one unit alone, by all threads of `run`: what another process does with a task.
pub fn build_unit(task: UnitTask, sink: &dyn Sink, run: Run<'_>) -> Result<Built> {
    let inputs = Inputs::of_task(&task)?;
    let workshop = Workshop {
        inputs: &inputs,
        sink,
        previous: &Previous::default(),
    };
    let mut built = None;
    build_units(std::iter::once(Ok(task)), workshop, run, &mut |_, unit| {
        built = Some(unit);
        Ok(())
    })?;
    built.ok_or_else(|| Error::internal("a unit was left out"))
}

/// Builds units. A task is asked for when its turn comes. `done` gets each as it is done, with its number in `tasks`, in whatever order.
pub fn build_units(
    tasks: impl Iterator<Item = Result<UnitTask>>,
    workshop: Workshop<'_>,
    run: Run<'_>,
    done: &mut dyn FnMut(usize, Built) -> Result<()>,
) -> Result<Tally> {
    let job = Job {
        workshop,
        spare: Mutex::default(),
    };
    let counters = run.counters;
    let mut tally = Tally::default();
    let seals: RefCell<VecDeque<(usize, Box<Sealing>)>> = RefCell::default();
    let mut stream = tasks.enumerate().flat_map(|(number, task)| job.items(number, task));
    let items = std::iter::from_fn(|| {
        let sealing = seals.borrow_mut().pop_front();
        sealing
            .map(|(number, sealing)| Item::Seal(number, sealing))
            .or_else(|| stream.next())
    });
    let mut open: Option<Sealing> = None;
    ordered::map(
        run.pool,
        items,
        Item::turn,
        Scratch::default,
        |scratch, item| job.work(scratch, item),
        |result| {
            match result? {
                Done::Picture(picture) => {
                    let counter = if picture.copied { &mut tally.copied } else { &mut tally.decoded };
                    *counter += 1;
                    Counters::add(&counters.decoded, u64::from(!picture.copied));
                    Counters::add(&counters.done, 1);
                    Counters::add(&counters.bytes, picture.bytes.len() as u64);
                    let number = picture.unit.number;
                    let mut shard = match open.take() {
                        Some(shard) => shard,
                        None => job.open(&picture.unit.task)?,
                    };
                    job.append(&mut shard, picture)?;
                    if shard.outcomes.len() == shard.task.pictures().len() {
                        seals.borrow_mut().push_back((number, Box::new(shard)));
                    } else {
                        open = Some(shard);
                    }
                }
                Done::Sealed {
                    number,
                    built,
                    tally: more,
                } => {
                    tally.decoded += more.decoded;
                    tally.copied += more.copied;
                    tally.linked += more.linked;
                    Counters::add(&counters.rejects, built.record.rejects.len() as u64);
                    done(number, *built)?;
                }
            }
            Ok(())
        },
    )?;
    Ok(tally)
}

/// A task that is being done, and its number.
struct Unit {
    number: usize,
    task: Arc<UnitTask>,
}

enum Item {
    /// A picture of a unit, by its position there.
    Picture(Arc<Unit>, usize),
    /// A unit that has no pictures, or all of whose pictures can be linked where the shard that holds them is whole.
    Whole(Arc<Unit>),
    /// A unit whose pictures are all there.
    Seal(usize, Box<Sealing>),
    /// A task that could not be had.
    Refused(Error),
}

impl Item {
    /// Pictures are appended in their order, and weigh what they hold while they are under way; nobody waits for a seal.
    fn turn(&self) -> Turn {
        match self {
            Self::Picture(unit, position) => {
                let spec = &unit.task.setting().options.spec;
                let picture = unit.task.pictures().get(*position);
                Turn::InOrder(picture.map_or(0, |picture| spec.working_bytes(&picture.header)))
            }
            // So no more of them are under way than their tasks may take memory.
            Self::Whole(unit) => Turn::InOrder(unit.task.weight()),
            Self::Seal(..) | Self::Refused(_) => Turn::WhenDone,
        }
    }
}

enum Done {
    Picture(Made),
    Sealed { number: usize, built: Box<Built>, tally: Tally },
}

/// A picture on its way into its shard.
struct Made {
    unit: Arc<Unit>,
    bytes: Vec<u8>,
    /// Height, width, channels; or why there are no pixels.
    size: std::result::Result<(u32, u32, u32), Fault>,
    copied: bool,
}

/// What a worker keeps.
#[derive(Default)]
struct Scratch {
    file: Vec<u8>,
    preparer: Option<Preparer>,
}

/// What every item needs.
struct Job<'a> {
    workshop: Workshop<'a>,
    /// Buffers that the consumer has emptied, to be filled again.
    spare: Mutex<Spare>,
}

/// Buffers of results, no more of them than are worth keeping.
#[derive(Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: u64,
}

impl Spare {
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity() as u64;
        buffer
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        let bytes = self.bytes + buffer.capacity() as u64;
        if bytes <= KEPT_BYTES {
            self.bytes = bytes;
            self.buffers.push(buffer);
        }
    }
}

impl Job<'_> {
    /// What there is to do for a task.
    fn items(&self, number: usize, task: Result<UnitTask>) -> impl Iterator<Item = Item> + use<> {
        let (mut refused, mut whole, mut pictures) = (None, None, None);
        match task {
            Err(error) => refused = Some(Item::Refused(error)),
            Ok(task) => {
                let count = task.pictures().len();
                let is_whole = count == 0 || self.workshop.previous.has_same_pictures(task.pictures());
                let unit = Arc::new(Unit {
                    number,
                    task: Arc::new(task),
                });
                if is_whole {
                    whole = Some(Item::Whole(unit));
                } else {
                    pictures = Some((0..count).map(move |position| Item::Picture(Arc::clone(&unit), position)));
                }
            }
        }
        refused.into_iter().chain(whole).chain(pictures.into_iter().flatten())
    }

    /// An empty shard in the scratch folder.
    fn open(&self, task: &Arc<UnitTask>) -> Result<Sealing> {
        let folder = self.workshop.sink.scratch().join(task.folder());
        fs::create_dir(&folder).map_err(|error| Error::io("create", &folder, error))?;
        let pixels = Some(PixelWriter::new(&folder, task.setting().options.spec.target()));
        Ok(Sealing {
            task: Arc::clone(task),
            folder,
            pixels,
            outcomes: Vec::new(),
        })
    }

    /// Appends a picture to its shard, and keeps the buffer for another one.
    fn append(&self, shard: &mut Sealing, picture: Made) -> Result<()> {
        let outcome = match (picture.size, shard.pixels.as_mut()) {
            (Ok((height, width, channels)), Some(pixels)) => Ok(Stored {
                height,
                width,
                channels,
                place: pixels.push(&picture.bytes, channels)?,
            }),
            (Err(fault), _) => Err(fault),
            (Ok(_), None) => return Err(Error::internal("a shard without pixels was given a picture")),
        };
        shard.outcomes.push(outcome);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).keep(picture.bytes);
        Ok(())
    }

    /// A shard with all its pictures: linked from the data set before, which has just these. Where its shard is damaged they are made here.
    fn open_whole(&self, scratch: &mut Scratch, unit: &Arc<Unit>) -> Result<(Sealing, Tally)> {
        let (task, mut tally) = (&unit.task, Tally::default());
        let mut sealing = self.open(task)?;
        let Some(shard) = self.workshop.previous.same_pictures(task.pictures(), &mut scratch.file)? else {
            for position in 0..task.pictures().len() {
                let picture = self.picture(scratch, Arc::clone(unit), position)?;
                let counter = if picture.copied { &mut tally.copied } else { &mut tally.decoded };
                *counter += 1;
                self.append(&mut sealing, picture)?;
            }
            return Ok((sealing, tally));
        };
        tally.linked = 1;
        sealing.pixels = None;
        for picture in shard.pictures.all() {
            sealing.outcomes.push(Ok(Stored {
                height: picture.size.0,
                width: picture.size.1,
                channels: picture.channels,
                place: picture.place,
            }));
        }
        for (number, name) in PIXEL_FILES.iter().enumerate() {
            if shard.pictures.all().iter().any(|picture| pixel_file(picture.place) == number) {
                self.workshop
                    .sink
                    .link(&format!("{}/{name}", shard.name), &sealing.folder.join(name))?;
            }
        }
        Ok((sealing, tally))
    }

    fn work(&self, scratch: &mut Scratch, item: Item) -> Result<Done> {
        let seal = |number, sealing: Sealing, tally, scratch: &mut Scratch| {
            let built = sealing.seal(self.workshop.inputs, self.workshop.sink, &mut scratch.file)?;
            Ok(Done::Sealed {
                number,
                built: Box::new(built),
                tally,
            })
        };
        match item {
            Item::Picture(unit, position) => Ok(Done::Picture(self.picture(scratch, unit, position)?)),
            Item::Whole(unit) => {
                let (sealing, tally) = self.open_whole(scratch, &unit)?;
                seal(unit.number, sealing, tally, scratch)
            }
            Item::Seal(number, sealing) => seal(number, *sealing, Tally::default(), scratch),
            Item::Refused(error) => Err(error),
        }
    }

    /// Reads and prepares one picture, or copies its pixels from the data set before.
    fn picture(&self, scratch: &mut Scratch, unit: Arc<Unit>, position: usize) -> Result<Made> {
        let picture = unit
            .task
            .pictures()
            .get(position)
            .ok_or_else(|| Error::internal("a picture that its unit has not"))?;
        let mut bytes = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stored, held)) = self.workshop.previous.find(&picture.hash, &mut scratch.file)? {
            bytes.clear();
            reserve(&mut bytes, held.len(), || {
                format!("the pixels of {} take as much", quote(&picture.file))
            })?;
            bytes.extend_from_slice(held);
            return Ok(Made {
                unit,
                bytes,
                size: Ok((stored.size.0, stored.size.1, stored.channels)),
                copied: true,
            });
        }
        let known = KnownFile {
            file: &picture.file,
            hash: &picture.hash,
            changed: "the picture has changed since it was scanned; leave the input alone and run again",
        };
        let path = read_known(self.workshop.inputs.root(picture.root)?, known, &mut scratch.file)?;
        let preparer = scratch.preparer.get_or_insert_with(Preparer::new);
        let spec = &unit.task.setting().options.spec;
        let prepared = preparer.prepare(&scratch.file, &picture.header, spec, &mut bytes);
        if let Err(fault) = &prepared {
            if fault.code == Code::PictureMemory {
                return Err(Error::picture(&path, fault.code, &fault.message));
            }
            bytes.clear();
        }
        // A large buffer must not wait in the window as a small picture.
        if bytes.capacity() > bytes.len() + SLACK {
            bytes.shrink_to_fit();
        }
        keep_at_most(KEPT_BUFFER_BYTES, &mut scratch.file);
        Ok(Made {
            unit,
            bytes,
            size: prepared.map(|made| (made.height, made.width, made.channels)),
            copied: false,
        })
    }
}
