//! The way of one picture to its size: which resizes, in which order, in which mode and arithmetic.

use super::choices::{Filter, Pixels};
use super::fault::{Fault, PictureResult};
use super::resample::{self, Step};
use super::size::geometry::{self, Fit, Placement, Size2};
use super::size::profile::{Backend, Before, Profile, Resizes, Rule};
use super::size::rules::{Budget, Centre, LlamaFactory, SmartResize, shortest_edge};
use super::spec::{ImageSpec, Size};
use crate::finding::Code;

/// The most resizes of any spec: five of LLaMA-Factory's, and the processor's.
const MOST: usize = 6;

/// All resizes of a picture, those in its own mode first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    each: [Option<Step>; MOST],
    count: usize,
    /// See [`Steps::whitens`].
    whitens: Option<usize>,
    /// The size so far.
    size: Size2,
}

impl Steps {
    /// What this spec does with a picture of this size (turned already); refused where the library would refuse it.
    pub(super) fn new(spec: &ImageSpec, size: Size2) -> PictureResult<Self> {
        let mut steps = Self {
            each: [None; MOST],
            count: 0,
            whitens: None,
            size,
        };
        match spec.size {
            Size::Original | Size::Encoded => {}
            Size::Resize {
                height,
                width,
                fit,
                filter,
                fill,
            } => {
                let target = Size2 { width, height };
                let placement = Placement {
                    fill,
                    ..geometry::place(size, target, fit)
                };
                steps.push(placement, target, filter, spec.pixels, false)?;
            }
            Size::Profile(profile) => steps.follow(&profile, spec.pixels)?,
        }
        Ok(steps)
    }

    /// The resizes, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.each[..self.count].iter().flatten()
    }

    /// The number of the resize before which a colour that stands for transparency becomes white (`Known::late_key`); one more than there are:
    /// behind the last.
    pub(super) fn whitens(&self) -> Option<usize> {
        self.whitens
    }

    /// The size of the result.
    pub(super) fn size(&self) -> Size2 {
        self.size
    }

    /// The trainer's resizes, and the processor's.
    fn follow(&mut self, profile: &Profile, pillow: Pixels) -> PictureResult<()> {
        let (known, source) = (profile.known, self.size);
        let refused = || aspect(source, known.name);
        if known.before == Before::LlamaFactory {
            let budget = budget(profile.image_min_pixels, profile.image_max_pixels);
            let own = LlamaFactory::new(source, budget).ok_or_else(refused)?;
            for (number, size) in own.sizes().iter().enumerate() {
                self.stretch(*size, Filter::Bicubic, pillow, number < own.in_own_mode)?;
            }
        }
        let arithmetic = match (known.resizes, profile.backend) {
            (Resizes::Backend, Backend::Torchvision) => Pixels::Torchvision,
            _ => pillow,
        };
        let in_own_mode = known.before == Before::Nothing;
        let trainers = self.count;
        match known.rule {
            Rule::Square { side } => {
                let square = Size2 { width: side, height: side };
                self.stretch(square, known.filter, arithmetic, in_own_mode)?;
            }
            Rule::ShortestEdge { side, round } => {
                let scaled = shortest_edge(self.size, side).ok_or_else(refused)?;
                let centre = if round { Centre::Torchvision } else { Centre::Transformers };
                let placement = centre.window(scaled, side);
                self.push(placement, placement.window, known.filter, arithmetic, in_own_mode)?;
            }
            Rule::SmartResize { qwen_vl_utils } => {
                let version = if qwen_vl_utils {
                    SmartResize::QwenVlUtils
                } else {
                    SmartResize::Transformers
                };
                let budget = budget(profile.min_pixels, profile.max_pixels);
                let size = version.size(self.size, profile.factor(), budget).ok_or_else(refused)?;
                self.stretch(size, known.filter, arithmetic, in_own_mode)?;
            }
        }
        if known.late_key {
            // The processor does it before its own resize; where the trainer's, by Pillow, stands in for that, behind it.
            self.whitens = Some(match known.resizes {
                Resizes::Backend => trainers,
                Resizes::Pillow => self.count,
            });
        }
        Ok(())
    }

    fn stretch(&mut self, target: Size2, filter: Filter, arithmetic: Pixels, in_own_mode: bool) -> PictureResult<()> {
        let placement = geometry::place(self.size, target, Fit::Stretch);
        self.push(placement, target, filter, arithmetic, in_own_mode)
    }

    fn push(&mut self, placement: Placement, target: Size2, filter: Filter, arithmetic: Pixels, in_own_mode: bool) -> PictureResult<()> {
        let from = self.size;
        if resample::is_beyond_pillow(from, placement.scaled, filter) {
            let message = format!(
                "{} x {} pixels cannot be resampled to {} x {}",
                from.width, from.height, target.width, target.height
            );
            return Err(Fault::new(Code::PictureTooLarge, message));
        }
        self.each[self.count] = Some(Step {
            from,
            placement,
            target,
            filter,
            arithmetic,
            in_own_mode,
        });
        self.count += 1;
        self.size = target;
        Ok(())
    }
}

/// A profile that has bounds says both.
fn budget(min: Option<u64>, max: Option<u64>) -> Budget {
    Budget {
        min: min.unwrap_or(1),
        max: max.unwrap_or(u64::MAX),
    }
}

fn aspect(size: Size2, profile: &str) -> Fault {
    let message = format!(
        "{} x {} pixels: {profile} refuses so long and thin a picture",
        size.width, size.height
    );
    Fault::new(Code::PictureAspect, message)
}
