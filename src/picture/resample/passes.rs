//! The two passes over registers of any width. Each set of instructions says what its registers are, and has the passes made of them:
//! code for a set of instructions must stand in functions that are compiled for it, so this is a macro and no generic function.

/// The passes for the instructions `$feature`. The module that calls it has: `Vector`; `LANES`, its bytes; `load`, `store`, `zero`,
/// `unpack_low`, `unpack_high` (bytes, within 16 of them); `load_tile` and `store_tile`, which take rows [`TILE`] apart to the 16-byte parts
/// of a register; and `weigh`.
macro_rules! passes {
    ($feature:literal) => {
        #[target_feature(enable = $feature)]
        fn vertical_pass<const SPLIT: bool>(from: &[u8], first: usize, row: usize, table: &Weights, to: &mut [u8]) {
            for (i, target) in to.chunks_exact_mut(row).enumerate() {
                let (start, pairs, count) = table.pairs(i);
                let rows = &from[(start - first) * row..][..count * row];
                let mut x = 0;
                while x < row {
                    // The last block overlaps the one before.
                    x = x.min(row - LANES);
                    let bytes = weigh::<SPLIT>(&rows[x..], row, pairs, count, table.precision());
                    store(&mut target[x..], bytes);
                    x += LANES;
                }
            }
        }

        #[target_feature(enable = $feature)]
        fn horizontal_pass<const C: usize, const SPLIT: bool>(
            from: &[u8],
            row: usize,
            table: &Weights,
            to: &mut [u8],
            buffers: &mut TurnBuffers,
        ) -> PictureResult<()> {
            let (first, end) = table.reach();
            let (used, wanted) = ((end - first) * C, table.len() * C);
            let (turned, result) = buffers.lanes(used, wanted, LANES)?;
            for (from, to) in from.chunks(row * LANES).zip(to.chunks_mut(wanted * LANES)) {
                turn_in(from, row, first * C, turned);
                for (i, target) in result.chunks_exact_mut(C * LANES).enumerate() {
                    let (start, pairs, count) = table.pairs(i);
                    let samples = &turned[(start - first) * C * LANES..][..count * C * LANES];
                    for c in 0..C {
                        let bytes = weigh::<SPLIT>(&samples[c * LANES..], C * LANES, pairs, count, table.precision());
                        store(&mut target[c * LANES..], bytes);
                    }
                }
                turn_out(result, wanted, to);
            }
            Ok(())
        }

        /// As [`super::portable`]'s; at least [`TILE`] columns. Lanes without a row repeat the last one; their results go nowhere.
        #[inline]
        #[target_feature(enable = $feature)]
        fn turn_in(from: &[u8], row: usize, first: usize, turned: &mut [u8]) {
            let last = from.len() / row - 1;
            let columns = turned.len() / LANES;
            let mut x = 0;
            while x < columns {
                x = x.min(columns - TILE);
                let mut tile = [zero(); TILE];
                for (y, register) in tile.iter_mut().enumerate() {
                    *register = load_tile(from, |part| (y + part * TILE).min(last) * row + first + x);
                }
                for (dx, register) in turn_tile(&tile).into_iter().enumerate() {
                    store(&mut turned[(x + dx) * LANES..], register);
                }
                x += TILE;
            }
        }

        /// As [`super::portable`]'s; rows of at least [`TILE`] bytes.
        #[inline]
        #[target_feature(enable = $feature)]
        fn turn_out(turned: &[u8], row: usize, to: &mut [u8]) {
            let rows = to.len() / row;
            let mut x = 0;
            while x < row {
                x = x.min(row - TILE);
                let mut tile = [zero(); TILE];
                for (dx, register) in tile.iter_mut().enumerate() {
                    *register = load(&turned[(x + dx) * LANES..]);
                }
                for (y, register) in turn_tile(&tile).into_iter().enumerate() {
                    store_tile(to, register, |part| {
                        let y = y + part * TILE;
                        (y < rows).then_some(y * row + x)
                    });
                }
                x += TILE;
            }
        }

        /// Turns tiles of 16 by 16 bytes, one in each 16-byte part of the registers: four rounds, each of which interleaves registers i
        /// and i + 8. (After each round the index of a byte is rotated by one bit; after four, rows are columns.)
        #[inline]
        #[target_feature(enable = $feature)]
        fn turn_tile(tile: &[Vector; TILE]) -> [Vector; TILE] {
            let mut rows = *tile;
            for _ in 0..4 {
                let mut next = rows;
                for i in 0..TILE / 2 {
                    next[2 * i] = unpack_low(rows[i], rows[i + TILE / 2]);
                    next[2 * i + 1] = unpack_high(rows[i], rows[i + TILE / 2]);
                }
                rows = next;
            }
            rows
        }
    };
}

/// The side of the tiles that are turned, in bytes.
pub(super) const TILE: usize = 16;

pub(super) use passes;
