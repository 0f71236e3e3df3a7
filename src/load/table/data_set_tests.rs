//! What any data set does, over one made of numbers.

use std::sync::OnceLock;

use super::*;
use crate::error::Kind;
use crate::load::feed::tests::{Numbers, assembler, numbers};
use crate::load::gather::Assembler;
use crate::load::samples::Samples;
use crate::load::table::numbering::{LazyNumbering, Numbering};
use crate::picture::{Alpha, Color, Pixels, SixteenBit, Size};

fn spec() -> &'static ImageSpec {
    static SPEC: OnceLock<ImageSpec> = OnceLock::new();
    SPEC.get_or_init(|| ImageSpec {
        size: Size::Original,
        color: Color::Auto,
        exif: false,
        sixteen_bit: SixteenBit::Reject,
        alpha: Alpha::Drop,
        decode_limit: 1000,
        pixels: Pixels::Pillow13,
    })
}

/// Picture 0 lies in memory; all others are made.
impl DataSet for Numbers {
    fn spec(&self) -> &ImageSpec {
        spec()
    }

    fn sources(&self) -> Vec<SourceIdentity> {
        Vec::new()
    }

    fn rejected(&self) -> Result<Vec<RejectedRow>> {
        Ok(Vec::new())
    }

    fn stored_pictures(&self) -> Result<Vec<PictureId>> {
        Ok((0..=Table::rows(self)).collect())
    }

    fn describe(&self, _: &[PictureId]) -> Result<RecordBatch> {
        Err(Error::internal("nothing is known of numbers"))
    }

    fn pixels_in_place(&self, picture: PictureId) -> Result<Option<(Bytes, Shape)>> {
        let shape = Shape {
            height: 1,
            width: 1,
            channels: 3,
        };
        Ok((picture == 0).then(|| (Bytes::from_static(&[7, 8, 9]), shape)))
    }

    fn file_of(&self, _: PictureId) -> Result<Bytes> {
        Err(Error::usage("numbers have no files"))
    }

    fn rows_in_place(&self) -> Result<Option<Vec<RecordBatch>>> {
        Ok(None)
    }

    fn rejected_for(&self) -> Result<Vec<(RejectedRow, Vec<Code>)>> {
        Ok(Vec::new())
    }

    fn remembered_pictures(&self) -> u64 {
        Table::rows(self)
    }

    fn manifest(&self) -> Option<(&Manifest, &str)> {
        None
    }

    fn after_fork(self: Arc<Self>) -> Arc<dyn DataSet> {
        self
    }
}

#[test]
fn pixels_are_taken_in_place_where_they_lie_and_made_elsewhere() {
    let mut data = numbers(9);
    data.broken = Some(4);
    let (found, shape) = data.pixels(0).unwrap();
    assert_eq!(
        (found, shape.dims()),
        (Found::InPlace(Bytes::from_static(&[7, 8, 9])), vec![1, 1, 3])
    );
    let (found, shape) = data.pixels(2).unwrap();
    assert_eq!((found, shape.dims()), (Found::Made(vec![2; 6]), vec![2, 3]));
    assert!(matches!(data.pixels(4).unwrap_err().kind(), Kind::Data { .. }));
}

#[test]
fn hashes_come_one_after_the_other() {
    let data = numbers(9);
    let wanted = [data.hash_of(5).unwrap(), data.hash_of(0).unwrap(), data.hash_of(5).unwrap()].concat();
    assert_eq!(data.hashes_of(&[5, 0, 5]).unwrap(), wanted);
    assert!(data.hashes_of(&[]).unwrap().is_empty());
}

#[test]
fn threads_that_count_at_once_get_one_numbering_and_it_is_counted_no_more() {
    let (data, lazy) = (numbers(20), LazyNumbering::default());
    let wanted = Numbering::of(&data, &|| Ok(())).unwrap();
    assert!(
        lazy.of(&data, &|| Err(Error::interrupted())).is_err(),
        "what was not counted is not kept"
    );
    // Each waits in its monitor for the other: both count.
    let both = std::sync::Barrier::new(2);
    let of = || {
        let numbering = lazy.of(&data, &|| {
            both.wait();
            Ok(())
        });
        std::ptr::from_ref(numbering.unwrap()) as usize
    };
    let [first, second] = std::thread::scope(|scope| [scope.spawn(of), scope.spawn(of)].map(|thread| thread.join().unwrap()));
    assert_eq!(first, second);
    let kept = lazy.of(&data, &|| Err(Error::interrupted())).unwrap();
    assert_eq!(
        (&kept.pictures, &kept.offsets, &kept.numbers),
        (&wanted.pictures, &wanted.offsets, &wanted.numbers)
    );
}

#[test]
fn decoded_pictures_are_kept_where_there_is_room_and_use() {
    let keeps = |rows, bytes| {
        let data = Arc::new(numbers(rows)) as Arc<dyn DataSet>;
        let made = Assembler::over(&data, Arc::new(Samples::All(rows)), None, false, bytes, Arc::default());
        made.cache.is_some()
    };
    assert_eq!([keeps(9, 100), keeps(9, 0), keeps(0, 100)], [true, false, false]);
    assert!(assembler(numbers(9), None, false).cache.is_none());
}
