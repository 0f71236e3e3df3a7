//! What is written, number by number.

use super::*;
use crate::picture::CLIP;

fn output(dtype: Dtype, layout: Layout) -> Output {
    let patches = layout == Layout::Patches;
    let float = dtype != Dtype::Uint8;
    Output {
        dtype,
        layout,
        mean: float.then_some(CLIP.mean),
        std: float.then_some(CLIP.std),
        normalisation: Normalisation::Fused,
        patch: patches.then_some(2),
        merge: patches.then_some(2),
        temporal: patches.then_some(2),
    }
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 97 % 256) as u8).collect()
}

/// The definition, number by number.
fn slow(writer: &Writer, pixels: &[u8], shape: Shape, at: &[usize]) -> f32 {
    let output = writer.output();
    let (channel, y, x) = match output.layout {
        Layout::Nhwc => (at[2], at[0], at[1]),
        Layout::Nchw => (at[0], at[1], at[2]),
        Layout::Patches => {
            let (side, merge, temporal) = (2, 2, 2);
            let wide = shape.width / side / merge;
            let (block, inner) = (at[0] / (merge * merge), at[0] % (merge * merge));
            let (column, plane) = (at[1] % (side * side), at[1] / (side * side));
            (
                plane / temporal,
                (block / wide * merge + inner / merge) * side + column / side,
                (block % wide * merge + inner % merge) * side + column % side,
            )
        }
    };
    let byte = pixels[(y * shape.width + x) * shape.channels + channel % shape.channels];
    normalised(byte, CLIP.mean[channel], CLIP.std[channel], output.normalisation)
}

#[test]
fn sides_with_their_own_code_are_like_any_other() {
    let tables = table(|channel, byte| byte.wrapping_mul(3).wrapping_add(channel as u8));
    for patch in [14, 16] {
        let patches = PatchShape {
            patch,
            merge: 2,
            temporal: 2,
        };
        let [height, width] = [2 * patch as usize, 4 * patch as usize];
        let shape = Shape {
            height,
            width,
            channels: 3,
        };
        let pixels = noise(height * width * 3);
        let [mut own, mut any] = [1, 2].map(|ground| vec![ground; pixels.len() * 2]);
        patched_by_side::<u8, 3>(&tables, &pixels, shape, patches, &mut own);
        patched::<u8, 3, 0>(&tables, &pixels, shape, patches, &mut any);
        assert_eq!(own, any);
    }
}

#[test]
fn every_layout_is_its_definition() {
    for layout in [Layout::Nhwc, Layout::Nchw, Layout::Patches] {
        for channels in [1, 3] {
            let shape = Shape {
                height: 8,
                width: 12,
                channels,
            };
            let pixels = noise(8 * 12 * channels);
            let writer = Writer::new(output(Dtype::Float32, layout)).unwrap();
            let dims = writer.shape(8, 12).unwrap();
            let mut out = vec![0.0_f32; dims.iter().product()];
            writer.write(&pixels, shape, &mut out);
            for (i, value) in out.iter().enumerate() {
                let at: Vec<usize> = if dims.len() == 2 {
                    vec![i / dims[1], i % dims[1]]
                } else {
                    vec![i / dims[2] / dims[1], i / dims[2] % dims[1], i % dims[2]]
                };
                assert_eq!(
                    value.to_bits(),
                    slow(&writer, &pixels, shape, &at).to_bits(),
                    "{layout:?} {channels} {at:?}"
                );
            }
            let halves = Writer::new(output(Dtype::Bfloat16, layout)).unwrap();
            let mut rounded = vec![0_u16; out.len()];
            halves.write(&pixels, shape, &mut rounded);
            assert!(
                rounded
                    .iter()
                    .zip(&out)
                    .all(|(half, single)| *half == bf16::from_f32(*single).to_bits())
            );
        }
    }
}

#[test]
fn bytes_are_copied_to_what_tables_give() {
    for layout in [Layout::Nhwc, Layout::Nchw, Layout::Patches] {
        for channels in [1, 3] {
            let (height, width) = (8, 12);
            let pixels = noise(height * width * channels);
            let shape = Shape { height, width, channels };
            let writer = Writer::new(output(Dtype::Uint8, layout)).unwrap();
            let count = writer.shape(height, width).unwrap().iter().product();
            let (mut fast, mut slow) = (vec![1; count], vec![2; count]);
            writer.write_bytes(&pixels, shape, &mut fast);
            writer.write(&pixels, shape, &mut slow);
            assert_eq!(fast, slow, "{layout:?} {channels}");
        }
    }
}

#[test]
fn bytes_stay_themselves() {
    let pixels = noise(4 * 4 * 3);
    let shape = Shape {
        height: 4,
        width: 4,
        channels: 3,
    };
    let mut out = vec![0_u8; pixels.len()];
    Writer::new(output(Dtype::Uint8, Layout::Nhwc))
        .unwrap()
        .write(&pixels, shape, &mut out);
    assert_eq!(out, pixels);
}

#[test]
fn dividing_by_255_in_single_precision_is_the_two_steps() {
    // torchvision's `to_tensor` divides in single precision; transformers multiplies in double, and rounds.
    for byte in 0..=255_u8 {
        assert_eq!(
            (f32::from(byte) / 255.0).to_bits(),
            ((f64::from(byte) * (1.0 / 255.0)) as f32).to_bits()
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bad = [
        Output {
            std: None,
            ..output(Dtype::Float32, Layout::Nchw)
        },
        Output {
            std: Some([0.0; 3]),
            ..output(Dtype::Float32, Layout::Nchw)
        },
        Output {
            mean: Some([f64::NAN; 3]),
            ..output(Dtype::Float32, Layout::Nchw)
        },
        Output {
            patch: Some(0),
            ..output(Dtype::Float32, Layout::Patches)
        },
        Output {
            patch: Some(14),
            ..output(Dtype::Float32, Layout::Nchw)
        },
        Output {
            mean: Some([0.5; 3]),
            std: Some([0.5; 3]),
            ..output(Dtype::Uint8, Layout::Nchw)
        },
    ];
    for output in bad {
        assert!(Writer::new(output).is_err(), "{output:?}");
    }
    let writer = Writer::new(output(Dtype::Float32, Layout::Patches)).unwrap();
    assert!(writer.shape(8, 10).is_err() && writer.shape(0, 4).is_err());
    assert_eq!(writer.grid(8, 12).unwrap(), [1, 4, 6]);
}

#[test]
fn patches_looked_up_together_are_those_looked_up_one_by_one() {
    for (patch, merge, temporal) in [(14, 2, 2), (16, 2, 2), (2, 2, 2), (7, 1, 1), (45, 1, 3)] {
        for channels in [1, 3] {
            let factor = (patch * merge) as usize;
            let (height, width) = (factor * 2, factor * 3);
            let output = Output {
                patch: Some(patch),
                merge: Some(merge),
                temporal: Some(temporal),
                ..output(Dtype::Bfloat16, Layout::Patches)
            };
            let writer = Writer::new(output).unwrap();
            let pixels = noise(height * width * channels);
            let shape = Shape { height, width, channels };
            let count = writer.shape(height, width).unwrap().iter().product();
            let (mut fast, mut slow) = (vec![1_u16; count], vec![2_u16; count]);
            writer.write(&pixels, shape, &mut fast);
            let tables = <u16 as Sample>::tables(&writer).unwrap();
            if channels == 1 {
                patched::<u16, 1, 0>(tables, &pixels, shape, writer.patches, &mut slow);
            } else {
                patched::<u16, 3, 0>(tables, &pixels, shape, writer.patches, &mut slow);
            }
            assert_eq!(fast, slow, "{patch} {merge} {temporal} {channels}");
        }
    }
}
