//! What a model's own processor makes of a picture, or a trainer around it: one table, which cites its sources.
//!
//! A profile says sizes, filter and whose arithmetic; how the pixels become numbers (mean, deviation, patches) is said here too, and
//! done by [`crate::load::output`].

use serde::{Deserialize, Serialize};

use super::choices::{Alpha, Filter};

/// The numbers that CLIP's pictures are normalised with: `OPENAI_CLIP_MEAN` and `OPENAI_CLIP_STD` of transformers' `image_utils.py`.
pub const CLIP: Statistics = Statistics {
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
};

/// From -1 to 1: `IMAGENET_STANDARD_MEAN` and `_STD` of the same file.
pub const HALF: Statistics = Statistics {
    mean: [0.5; 3],
    std: [0.5; 3],
};

/// Mean and standard deviation of red, green and blue, on the scale from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// Subtracted.
    pub mean: [f64; 3],
    /// Divided by.
    pub std: [f64; 3],
}

/// How a picture is cut into patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PatchShape {
    /// The side of a patch, in pixels.
    pub patch: u32,
    /// The patches a side that become one token.
    pub merge: u32,
    /// How often each patch is repeated, as if it were a film.
    pub temporal: u32,
}

/// Which library does the processor's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// torch, on the CPU: resampling with weights of 16 bits, normalisation in one step.
    Torchvision,
    /// Pillow and `numpy`: Pillow's resampling, normalisation in two steps.
    Pillow,
}

/// Whose resampling the processor's own resize takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resizes {
    /// The backend's.
    Backend,
    /// Pillow's, whatever the backend.
    Pillow,
}

/// The processor's size rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A square, whatever the proportions.
    Square {
        /// Its side, in pixels.
        side: u32,
    },
    /// The shortest edge, then the square in the middle.
    ShortestEdge {
        /// The side of the square, in pixels.
        side: u32,
        /// Whether halves are rounded to even, as torchvision does it; else down.
        round: bool,
    },
    /// Both sides multiples of a factor, the area within bounds.
    SmartResize {
        /// Whether it is the version of `qwen_vl_utils`; else that of transformers.
        qwen_vl_utils: bool,
    },
}

/// What is done before the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// The picture becomes RGB.
    Rgb,
    /// LLaMA-Factory's resizes, by Pillow, bicubic: the first ones in the picture's own mode.
    LlamaFactory,
    /// Nothing: the processor resizes the picture in its own mode.
    Nothing,
}

/// One line of the table; known by its name.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Known {
    /// What it is called.
    pub name: &'static str,
    /// Where each of these facts was read.
    pub cites: &'static str,
    /// What is done first.
    pub before: Before,
    /// The processor's size rule.
    pub rule: Rule,
    /// The processor's filter.
    pub filter: Filter,
    /// Whose arithmetic its resize takes.
    pub resizes: Resizes,
    /// The backends that it has; the first one is the default.
    pub backends: &'static [Backend],
    /// What its conversion to RGB makes of transparency.
    pub alpha: Alpha,
    /// Whether a colour that stands for transparency outlives the trainer's own conversion and resizes, to be made white by the processor
    /// wherever it is found then: `Image.convert` and `Image.resize` of Pillow hand `info["transparency"]` on.
    #[serde(skip)]
    pub late_key: bool,
    /// What pictures are normalised with.
    pub statistics: Statistics,
    /// How they are cut into patches.
    pub patches: Option<PatchShape>,
    /// The bounds of the area after the processor's resize, in pixels.
    pub area: Option<[u64; 2]>,
    /// The bounds of the area after the trainer's own resize, in pixels: `image_min_pixels` and `image_max_pixels`.
    pub image_area: Option<[u64; 2]>,
    /// The tokens of a picture, where all have as many.
    pub tokens: Option<u32>,
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Known {}

const BOTH: &[Backend] = &[Backend::Torchvision, Backend::Pillow];

/// What most of the lines below share.
const USUAL: Known = Known {
    name: "",
    cites: "",
    before: Before::Rgb,
    rule: Rule::Square { side: 224 },
    filter: Filter::Bicubic,
    resizes: Resizes::Backend,
    backends: BOTH,
    alpha: Alpha::White,
    late_key: false,
    statistics: HALF,
    patches: None,
    area: None,
    image_area: None,
    tokens: None,
};

/// Qwen2-VL and Qwen2.5-VL.
const QWEN2: Known = Known {
    rule: Rule::SmartResize { qwen_vl_utils: false },
    statistics: CLIP,
    patches: Some(PatchShape {
        patch: 14,
        merge: 2,
        temporal: 2,
    }),
    ..USUAL
};

/// Qwen3-VL.
const QWEN3: Known = Known {
    statistics: HALF,
    patches: Some(PatchShape {
        patch: 16,
        merge: 2,
        temporal: 2,
    }),
    area: Some([65_536, 16_777_216]),
    ..QWEN2
};

/// LLaMA-Factory converts to RGB itself, without a background, and bounds the area first.
const LLAMA_FACTORY: Known = Known {
    before: Before::LlamaFactory,
    alpha: Alpha::Drop,
    late_key: true,
    image_area: Some([32 * 32, 768 * 768]),
    ..USUAL
};

/// `BiomedCLIP`, as its own library prepares pictures.
const BIOMEDCLIP: Known = Known {
    before: Before::Nothing,
    rule: Rule::ShortestEdge { side: 224, round: true },
    resizes: Resizes::Pillow,
    backends: &[Backend::Pillow],
    alpha: Alpha::Drop,
    statistics: CLIP,
    ..USUAL
};

/// Every profile, by name.
pub const PROFILES: [Known; 12] = [
    Known {
        name: "biomedclip_224_rgb_first",
        cites: "as open_clip/biomedclip_224, but converted to RGB before anything else",
        before: Before::Rgb,
        ..BIOMEDCLIP
    },
    Known {
        name: "hf/clip_224",
        cites: "transformers 5.23, models/clip/image_processing_clip.py",
        rule: Rule::ShortestEdge { side: 224, round: false },
        statistics: CLIP,
        ..USUAL
    },
    Known {
        name: "hf/llava_1_5_336",
        cites: "transformers 5.23, models/llava/image_processing_llava.py; llava-hf/llava-1.5-7b-hf, preprocessor_config.json",
        rule: Rule::ShortestEdge { side: 336, round: false },
        statistics: CLIP,
        tokens: Some(576),
        ..USUAL
    },
    Known {
        name: "hf/medgemma_896",
        cites: "transformers 5.23, models/gemma3/image_processing_gemma3.py; google/medgemma-4b-it, preprocessor_config.json",
        rule: Rule::Square { side: 896 },
        filter: Filter::Bilinear,
        tokens: Some(256),
        ..USUAL
    },
    Known {
        name: "hf/qwen2_5_vl",
        cites: "transformers 5.23, models/qwen2_vl/image_processing_qwen2_vl.py; Qwen/Qwen2.5-VL-7B-Instruct, preprocessor_config.json",
        area: Some([3_136, 12_845_056]),
        ..QWEN2
    },
    Known {
        name: "hf/qwen2_vl",
        cites: "transformers 5.23, models/qwen2_vl/image_processing_qwen2_vl.py, the defaults of the class",
        area: Some([3_136, 1_003_520]),
        ..QWEN2
    },
    Known {
        name: "hf/qwen3_vl",
        cites: "transformers 5.23, models/qwen2_vl/image_processing_qwen2_vl.py; Qwen/Qwen3-VL-8B-Instruct, preprocessor_config.json",
        ..QWEN3
    },
    Known {
        name: "hf/siglip_384",
        cites: "transformers 5.23, models/siglip/image_processing_siglip.py; google/siglip-so400m-patch14-384, preprocessor_config.json",
        rule: Rule::Square { side: 384 },
        ..USUAL
    },
    Known {
        name: "llamafactory/qwen2_vl",
        cites: "LLaMA-Factory 0.9.5, data/mm_plugin.py, MMPluginMixin and Qwen2VLPlugin; then as hf/qwen2_5_vl",
        rule: QWEN2.rule,
        statistics: QWEN2.statistics,
        patches: QWEN2.patches,
        area: Some([3_136, 12_845_056]),
        ..LLAMA_FACTORY
    },
    Known {
        name: "llamafactory/qwen3_vl",
        cites: "LLaMA-Factory 0.9.5, data/mm_plugin.py, MMPluginMixin and Qwen2VLPlugin; then as hf/qwen3_vl",
        rule: QWEN3.rule,
        statistics: QWEN3.statistics,
        patches: QWEN3.patches,
        area: QWEN3.area,
        ..LLAMA_FACTORY
    },
    Known {
        name: "ms_swift/qwen3_vl",
        cites: "ms-swift 4.6, template/vision_utils.py, load_image, and template/templates/qwen.py; qwen_vl_utils 0.0.14, fetch_image",
        rule: Rule::SmartResize { qwen_vl_utils: true },
        resizes: Resizes::Pillow,
        alpha: Alpha::Drop,
        late_key: true,
        area: Some([4 * 32 * 32, 16_384 * 32 * 32]),
        ..QWEN3
    },
    Known {
        name: "open_clip/biomedclip_224",
        cites: "open_clip 3.3, transform.py, image_transform; microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224, open_clip_config.json",
        ..BIOMEDCLIP
    },
];

/// A profile with its bounds, as a spec says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its line of the table.
    #[serde(rename = "name", serialize_with = "only_name")]
    pub known: &'static Known,
    /// Which library the processor uses.
    pub backend: Backend,
    /// The least area after the processor's resize, in pixels; none where the rule has no bounds.
    pub min_pixels: Option<u64>,
    /// The largest.
    pub max_pixels: Option<u64>,
    /// The least area after the trainer's own resize, in pixels; none where it has none.
    pub image_min_pixels: Option<u64>,
    /// The largest.
    pub image_max_pixels: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn only_name<S: serde::Serializer>(known: &&'static Known, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(known.name)
}

/// What a spec may leave out, to be taken from the table.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    pub(super) backend: Option<Backend>,
    pub(super) area: [Option<u64>; 2],
    pub(super) image_area: [Option<u64>; 2],
}

impl Profile {
    /// The profile of this name; why not, otherwise.
    pub(super) fn new(name: &str, said: Said, most: u64) -> Result<Self, String> {
        let Some(known) = PROFILES.iter().find(|known| known.name == name) else {
            let names: Vec<&str> = PROFILES.iter().map(|known| known.name).collect();
            return Err(format!("unknown profile `{name}`, expected one of {}", names.join(", ")));
        };
        let backend = said.backend.unwrap_or(known.backends[0]);
        if !known.backends.contains(&backend) {
            return Err(format!("{name} has no such backend"));
        }
        let [min_pixels, max_pixels] = bounds("", known.area, said.area, most).map_err(|why| format!("{name}: {why}"))?;
        let [image_min_pixels, image_max_pixels] =
            bounds("image_", known.image_area, said.image_area, most).map_err(|why| format!("{name}: {why}"))?;
        Ok(Self {
            known,
            backend,
            min_pixels,
            max_pixels,
            image_min_pixels,
            image_max_pixels,
        })
    }

    /// The side of the square that every picture becomes, where it does, in pixels.
    pub(super) fn side(&self) -> Option<u32> {
        match self.known.rule {
            Rule::Square { side } | Rule::ShortestEdge { side, .. } => Some(side),
            Rule::SmartResize { .. } => None,
        }
    }

    /// The factor of the size rule, in pixels.
    pub(super) fn factor(&self) -> u32 {
        self.known.patches.map_or(1, |shape| shape.patch * shape.merge)
    }
}

/// Both bounds of an area.
fn bounds(prefix: &str, usual: Option<[u64; 2]>, said: [Option<u64>; 2], most: u64) -> Result<[Option<u64>; 2], String> {
    let Some(usual) = usual else {
        return match said {
            [None, None] => Ok([None, None]),
            _ => Err(format!("has no {prefix}min_pixels and {prefix}max_pixels")),
        };
    };
    let [min, max] = [said[0].unwrap_or(usual[0]), said[1].unwrap_or(usual[1])];
    if min < 1 || max < min || max > most {
        return Err(format!(
            "expected 1 <= {prefix}min_pixels <= {prefix}max_pixels <= {most}, found {min} and {max}"
        ));
    }
    Ok([Some(min), Some(max)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_cites() {
        assert!(PROFILES.is_sorted_by(|a, b| a.name < b.name));
        for known in &PROFILES {
            assert!(!known.cites.is_empty() && !known.backends.is_empty(), "{}", known.name);
            assert_eq!(
                known.area.is_some(),
                matches!(known.rule, Rule::SmartResize { .. }),
                "{}",
                known.name
            );
            assert_eq!(known.image_area.is_some(), known.before == Before::LlamaFactory, "{}", known.name);
        }
    }

    #[test]
    fn bounds_are_checked() {
        let with = |area| Profile::new("hf/qwen3_vl", Said { area, ..Said::default() }, 1 << 28);
        assert_eq!(with([None, None]).unwrap().max_pixels, Some(16_777_216));
        assert_eq!(with([None, Some(65_536)]).unwrap().max_pixels, Some(65_536));
        assert!(with([None, Some(65_535)]).is_err());
        assert!(with([None, Some(1 << 29)]).is_err());
        let clip = Said {
            area: [Some(1), None],
            ..Said::default()
        };
        assert!(Profile::new("hf/clip_224", clip, 1 << 28).is_err());
        assert!(
            Profile::new("hf/clip", Said::default(), 1 << 28)
                .unwrap_err()
                .contains("hf/clip_224")
        );
    }
}
