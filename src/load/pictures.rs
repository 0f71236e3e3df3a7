//! Pictures by themselves: decoded by several threads into what shards would hold of them, or into what a model takes.

use crate::error::{Kind, Result, reserve};
use crate::finding::Code;
use crate::load::output::{Dtype, Sample, Shape, Writer};
use crate::ordered::budget::Budget;
use crate::ordered::{self, Pool, Turn, Window};
use crate::picture::input::Input;
use crate::picture::{Fault, ImageSpec, Preparer, probe, widen};

/// What becomes of pixels.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// They stay as shards hold them.
    Stored,
    /// Three channels, of gray pictures too.
    Rgb,
    /// What a model takes.
    Output(&'a Writer),
}

/// The numbers of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    /// The numbers.
    pub numbers: Vec<T>,
    /// Their dimensions.
    pub dims: Vec<usize>,
    /// Height and width of the pixels that they were made of.
    pub size: (usize, usize),
}

/// Pictures as numbers of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Pictures {
    /// Bytes.
    Bytes(Vec<Read<u8>>),
    /// Single precision.
    Singles(Vec<Read<f32>>),
    /// The 16 bits of half precision, or of bfloat16.
    Halves(Vec<Read<u16>>),
}

/// Reads pictures, in the order given.
pub fn read(inputs: &[Input], spec: &ImageSpec, form: Form<'_>, threads: usize, monitor: &dyn Fn() -> Result<()>) -> Result<Pictures> {
    let pool = Pool {
        threads: threads.min(inputs.len()),
        window: Window::of(threads.max(1) * 4),
        monitor,
    };
    match form {
        Form::Stored => read_as(inputs, spec, pool, |pixels, shape| Ok((pixels, shape.dims()))).map(Pictures::Bytes),
        Form::Rgb => read_as(inputs, spec, pool, three_channels).map(Pictures::Bytes),
        Form::Output(writer) => match writer.output().dtype {
            Dtype::Uint8 => read_as(inputs, spec, pool, |pixels, shape| written(writer, &pixels, shape)).map(Pictures::Bytes),
            Dtype::Float32 => read_as(inputs, spec, pool, |pixels, shape| written(writer, &pixels, shape)).map(Pictures::Singles),
            Dtype::Float16 | Dtype::Bfloat16 => {
                read_as(inputs, spec, pool, |pixels, shape| written(writer, &pixels, shape)).map(Pictures::Halves)
            }
        },
    }
}

/// Numbers, and their dimensions.
type Made<T> = (Vec<T>, Vec<usize>);

/// So many zeros, if there is memory for them.
fn zeros<T: Clone + Default>(count: usize) -> Result<Vec<T>> {
    let mut numbers = Vec::new();
    reserve(&mut numbers, count, || "the numbers of a picture take as much".to_owned())?;
    numbers.resize(count, T::default());
    Ok(numbers)
}

fn three_channels(pixels: Vec<u8>, shape: Shape) -> Result<Made<u8>> {
    let dims = vec![shape.height, shape.width, 3];
    if shape.channels != 1 {
        return Ok((pixels, dims));
    }
    let mut rgb = zeros(pixels.len() * 3)?;
    widen(&pixels, &mut rgb);
    Ok((rgb, dims))
}

fn written<T: Sample + Default + Clone>(writer: &Writer, pixels: &[u8], shape: Shape) -> Result<Made<T>> {
    let dims = writer.shape(shape.height, shape.width)?;
    let mut numbers = zeros(dims.iter().product())?;
    writer.write(pixels, shape, &mut numbers);
    Ok((numbers, dims))
}

fn read_as<T: Send>(
    inputs: &[Input],
    spec: &ImageSpec,
    pool: Pool<'_>,
    finish: impl Fn(Vec<u8>, Shape) -> Result<Made<T>> + Sync,
) -> Result<Vec<Read<T>>> {
    let budget = Budget::new(pool.window.bytes);
    let work = |preparer: &mut Preparer, (number, input): (usize, &Input)| -> Result<Read<T>> {
        let bytes = input.read()?;
        let refuse = |fault: Fault| input.refuse((inputs.len() > 1).then_some(number), &fault);
        let header = probe(&bytes).map_err(refuse)?;
        let _share = budget.take(spec.working_bytes(&header));
        let mut pixels = Vec::new();
        let made = preparer.prepare(&bytes, &header, spec, &mut pixels).map_err(refuse)?;
        let [height, width, channels] = [made.height, made.width, made.channels].map(|n| n as usize);
        let made = finish(pixels, Shape { height, width, channels });
        let (numbers, dims) = made.map_err(|error| match error.kind() {
            Kind::Memory { message } => refuse(Fault {
                code: Code::PictureMemory,
                message: message.clone(),
            }),
            _ => error,
        })?;
        Ok(Read {
            numbers,
            dims,
            size: (height, width),
        })
    };
    let mut all = Vec::with_capacity(inputs.len());
    ordered::map(
        pool,
        inputs.iter().enumerate(),
        |_| Turn::InOrder(0),
        Preparer::new,
        work,
        |read| {
            all.push(read?);
            Ok(())
        },
    )?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::load::output::{Layout, Normalisation, Output};
    use crate::picture::{Alpha, Color, Pixels, SixteenBit, Size};

    /// A bitmap of one row: so many pixels of this gray.
    fn bitmap(width: u8, gray: u8) -> Input {
        let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bytes.extend([width, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0]);
        bytes.extend([0; 24]);
        let row = usize::from(width) * 3;
        bytes.extend(std::iter::repeat_n(gray, row).chain(std::iter::repeat_n(0, row.next_multiple_of(4) - row)));
        Input::Bytes(bytes)
    }

    fn spec(color: Color) -> ImageSpec {
        ImageSpec {
            size: Size::Original,
            color,
            exif: false,
            sixteen_bit: SixteenBit::Reject,
            alpha: Alpha::Drop,
            decode_limit: 1000,
            pixels: Pixels::Pillow13,
        }
    }

    fn writer(dtype: Dtype) -> Writer {
        let output = Output {
            dtype,
            layout: Layout::Nchw,
            mean: None,
            std: None,
            normalisation: Normalisation::Fused,
            patch: None,
            merge: None,
            temporal: None,
        };
        Writer::new(output).unwrap()
    }

    fn all(inputs: &[Input], color: Color, form: Form<'_>, threads: usize) -> Result<Pictures> {
        read(inputs, &spec(color), form, threads, &|| Ok(()))
    }

    fn one<T: Clone>(numbers: &[T], dims: &[usize], width: usize) -> Read<T> {
        Read {
            numbers: numbers.to_vec(),
            dims: dims.to_vec(),
            size: (1, width),
        }
    }

    #[test]
    fn each_form_has_its_dimensions_and_its_kind_of_number() {
        let inputs = [bitmap(2, 9)];
        let found = |color, form| all(&inputs, color, form, 1).unwrap();
        assert_eq!(found(Color::Gray, Form::Stored), Pictures::Bytes(vec![one(&[9; 2], &[1, 2], 2)]));
        assert_eq!(found(Color::Rgb, Form::Stored), Pictures::Bytes(vec![one(&[9; 6], &[1, 2, 3], 2)]));
        assert_eq!(found(Color::Gray, Form::Rgb), Pictures::Bytes(vec![one(&[9; 6], &[1, 2, 3], 2)]));
        assert_eq!(found(Color::Rgb, Form::Rgb), Pictures::Bytes(vec![one(&[9; 6], &[1, 2, 3], 2)]));
        let by = |dtype| all(&inputs, Color::Gray, Form::Output(&writer(dtype)), 1).unwrap();
        assert_eq!(by(Dtype::Uint8), Pictures::Bytes(vec![one(&[9; 6], &[3, 1, 2], 2)]));
        assert_eq!(by(Dtype::Float32), Pictures::Singles(vec![one(&[9.0; 6], &[3, 1, 2], 2)]));
        let half = half::f16::from_f32(9.0).to_bits();
        assert_eq!(by(Dtype::Float16), Pictures::Halves(vec![one(&[half; 6], &[3, 1, 2], 2)]));
        let brain = half::bf16::from_f32(9.0).to_bits();
        assert_eq!(by(Dtype::Bfloat16), Pictures::Halves(vec![one(&[brain; 6], &[3, 1, 2], 2)]));
    }

    #[test]
    fn they_come_in_order_for_every_number_of_threads() {
        let inputs: Vec<Input> = (1..40).map(|width| bitmap(width, width)).collect();
        let wanted = (1..40).map(|width| one(&vec![width; usize::from(width)], &[1, width.into()], width.into()));
        let wanted = Pictures::Bytes(wanted.collect());
        for threads in [0, 1, 3, 100] {
            assert_eq!(all(&inputs, Color::Gray, Form::Stored, threads).unwrap(), wanted, "{threads}");
        }
        assert_eq!(all(&[], Color::Gray, Form::Stored, 2).unwrap(), Pictures::Bytes(Vec::new()));
    }

    #[test]
    fn the_first_that_is_refused_is_named() {
        let broken = || Input::Bytes(b"BM".to_vec());
        let named = |inputs: &[Input]| {
            let error = all(inputs, Color::Auto, Form::Rgb, 2).unwrap_err();
            let Kind::Data { path, .. } = error.kind() else { panic!("{error}") };
            path.display().to_string()
        };
        assert_eq!(named(&[broken()]), "picture");
        assert_eq!(named(&[bitmap(1, 1), broken(), broken()]), "picture 1");
    }

    #[test]
    fn the_monitor_ends_it() {
        let stopped = read(&[bitmap(1, 1)], &spec(Color::Auto), Form::Rgb, 1, &|| Err(Error::interrupted()));
        assert!(matches!(stopped.unwrap_err().kind(), Kind::Interrupted));
    }
}
