//! Every profile: one table, which cites its sources.

use super::known::{Backend, Before, Known, PatchShape, Resizes, Rule, Statistics};
use crate::picture::choices::{Alpha, Filter};

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
}
