//! Boxes around points, so laid out that one pass of four lanes at a time computes with them.
//!
//! A box is a row of numbers: the least of each coordinate, then the least of each *negated*
//! coordinate (which is the greatest, negated), both filled up with zeros. A point is the row of the
//! box around it alone. So the box around two others is the lesser of each number.

use std::slice::ChunksExactMut;

use wide::bytemuck::cast;
use wide::{f32x4, i32x4};

/// So many numbers are computed with at once.
pub(crate) const LANES: usize = 4;

/// The unit of a row.
pub(crate) type Lanes = [f32; LANES];

/// The length of a row, in [`Lanes`].
pub(crate) fn width(dimensions: usize) -> usize {
    if dimensions <= LANES / 2 { 1 } else { 2 * dimensions.div_ceil(LANES) }
}

/// Evaluates an expression in which a constant is the width of rows, as told by [`width`]: 0 for any but
/// the narrowest. With the width known, loops over a row are none.
macro_rules! with_width {
    ($width:expr, $WIDTH:ident => $expression:expr) => {
        match $width {
            1 => {
                const $WIDTH: usize = 1;
                $expression
            }
            2 => {
                const $WIDTH: usize = 2;
                $expression
            }
            4 => {
                const $WIDTH: usize = 4;
                $expression
            }
            _ => {
                const $WIDTH: usize = 0;
                $expression
            }
        }
    };
}
pub(crate) use with_width;

/// The memory that a row takes.
pub(crate) fn row_bytes(dimensions: usize) -> usize {
    width(dimensions) * size_of::<Lanes>()
}

/// Where in a row the negated coordinates begin: in its middle.
#[inline]
pub(crate) fn negated(dimensions: usize) -> usize {
    width(dimensions) * LANES / 2
}

/// Whether two rows are, bit for bit, the same.
#[inline(always)]
pub(crate) fn equal(a: &[Lanes], b: &[Lanes]) -> bool {
    let mut equal = i32x4::splat(-1);
    for (&a, &b) in a.iter().zip(b) {
        equal &= cast::<Lanes, i32x4>(a).simd_eq(cast::<Lanes, i32x4>(b));
    }
    equal.all()
}

/// How far a point lies outside a box: the sum over the coordinates. 0 if it lies within.
#[inline(always)]
pub(crate) fn excess(bounds: &[Lanes], point: &[Lanes]) -> f32 {
    // In one order on every target, which the library's own sum is not in.
    let [a, b, c, d] = excesses(bounds, point).to_array();
    (a + c) + (b + d)
}

/// The sum of each one's lanes.
#[inline(always)]
pub(crate) fn lane_sums(four: [f32x4; LANES]) -> f32x4 {
    let [a, b, c, d] = f32x4::transpose(four);
    (a + c) + (b + d)
}

/// What sums to how far a point lies outside a box. Each coordinate has its part: the greater of
/// itself and the least in the box, less the lesser of itself and the greatest in the box.
#[inline(always)]
pub(crate) fn excesses(bounds: &[Lanes], point: &[Lanes]) -> f32x4 {
    let greater = |lanes| f32x4::new(bounds[lanes]).fast_max(f32x4::new(point[lanes]));
    if point.len() == 1 {
        return greater(0);
    }
    let half = point.len() / 2;
    let outside = |lanes| greater(lanes) + greater(half + lanes);
    (1..half).fold(outside(0), |sums, lanes| sums + outside(lanes))
}

/// The sum of a box's sides.
#[inline(always)]
pub(crate) fn range(bounds: &[Lanes]) -> f32 {
    let [a, b, c, d] = negated_sides(bounds).to_array();
    -((a + c) + (b + d))
}

/// The sums of the sides of four boxes: bit for bit what [`range`] tells of each.
#[inline(always)]
pub(crate) fn range_of_four(boxes: [&[Lanes]; LANES]) -> f32x4 {
    let sides = |place: usize| negated_sides(boxes[place]);
    let [a, b, c, d] = f32x4::transpose([sides(0), sides(1), sides(2), sides(3)]);
    -((a + c) + (b + d))
}

/// What sums to the sides of a box, negated.
#[inline(always)]
fn negated_sides(bounds: &[Lanes]) -> f32x4 {
    let row = |lanes| f32x4::new(bounds[lanes]);
    let half = bounds.len() / 2;
    match half {
        0 => row(0),
        _ => (1..half)
            .fold(row(0) + row(half), |sums, lanes| sums + (row(lanes) + row(half + lanes))),
    }
}

/// Makes a row the one of the point whose coordinates stand in its first half.
#[inline(always)]
pub(crate) fn mirror(row: &mut [Lanes]) {
    if let [[a, b, negated @ ..]] = row {
        *negated = [-*a, -*b];
        return;
    }
    let (least, negated) = row.split_at_mut(row.len() / 2);
    for (negated, &mut least) in negated.iter_mut().zip(least) {
        *negated = (-f32x4::new(least)).to_array();
    }
}

/// Makes the box one around the point too.
#[inline(always)]
pub(crate) fn extend(bounds: &mut [Lanes], point: &[Lanes]) {
    for (bounds, &point) in bounds.iter_mut().zip(point) {
        *bounds = f32x4::new(*bounds).fast_min(f32x4::new(point)).to_array();
    }
}

/// The boxes of a tree, a row for each node.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    lanes: Vec<Lanes>,
    width: usize,
}

impl Rows {
    pub(crate) fn new(rows: usize, width: usize) -> Self {
        Self { lanes: vec![[0.0; LANES]; rows * width], width }
    }

    /// A row, whose length is `WIDTH` if that is known, and not 0.
    #[inline(always)]
    pub(crate) fn get<const WIDTH: usize>(&self, row: u16) -> &[Lanes] {
        let width = self.width::<WIDTH>();
        &self.lanes[usize::from(row) * width..][..width]
    }

    /// Like [`get`](Self::get), without a check.
    ///
    /// # Safety
    ///
    /// The row is one of these, and `WIDTH` is 0 or their width.
    #[inline(always)]
    pub(crate) unsafe fn get_unchecked<const WIDTH: usize>(&self, row: u16) -> &[Lanes] {
        let width = self.width::<WIDTH>();
        let start = usize::from(row) * width;
        debug_assert!(start + width <= self.lanes.len() && width == self.width);
        // SAFETY: the caller's.
        unsafe { self.lanes.get_unchecked(start..start + width) }
    }

    /// Like [`get`](Self::get).
    #[inline(always)]
    pub(crate) fn get_mut<const WIDTH: usize>(&mut self, row: u16) -> &mut [Lanes] {
        let width = self.width::<WIDTH>();
        &mut self.lanes[usize::from(row) * width..][..width]
    }

    /// The rows from one on.
    #[inline(always)]
    pub(crate) fn rows_mut<const WIDTH: usize>(&mut self, from: u16) -> ChunksExactMut<'_, Lanes> {
        let width = self.width::<WIDTH>();
        self.lanes[usize::from(from) * width..].chunks_exact_mut(width)
    }

    /// Makes a row the box around two others. Tells whether it was not.
    #[inline(always)]
    pub(crate) fn unite<const WIDTH: usize>(&mut self, row: u16, [a, b]: [u16; 2]) -> bool {
        let last = usize::from(row.max(a).max(b));
        assert!((last + 1) * self.width::<WIDTH>() <= self.lanes.len());
        // SAFETY: as was just checked.
        unsafe { self.unite_unchecked::<WIDTH>(row, [a, b]) }
    }

    /// Like [`unite`](Self::unite), without a check.
    ///
    /// # Safety
    ///
    /// The rows are some of these, and `WIDTH` is 0 or their width.
    #[inline(always)]
    pub(crate) unsafe fn unite_unchecked<const WIDTH: usize>(
        &mut self,
        row: u16,
        [a, b]: [u16; 2],
    ) -> bool {
        let width = self.width::<WIDTH>();
        let [row, a, b] = [row, a, b].map(|row| usize::from(row) * width);
        debug_assert!(row.max(a).max(b) + width <= self.lanes.len() && width == self.width);
        let mut changed = false;
        for lanes in 0..width {
            // SAFETY: the caller's.
            unsafe {
                let [a, b] = [a, b].map(|row| f32x4::new(*self.lanes.get_unchecked(row + lanes)));
                let row = self.lanes.get_unchecked_mut(row + lanes);
                let united = a.fast_min(b).to_array();
                changed |= *row != united;
                *row = united;
            }
        }
        changed
    }

    /// Whether rows are of `WIDTH`; 0 stands for any.
    pub(crate) fn are_of<const WIDTH: usize>(&self) -> bool {
        self.width::<WIDTH>() == self.width
    }

    /// The length of the half of a row that a point's coordinates are in.
    #[inline(always)]
    pub(crate) fn half<const WIDTH: usize>(&self) -> usize {
        (self.width::<WIDTH>() / 2).max(1)
    }

    #[inline(always)]
    fn width<const WIDTH: usize>(&self) -> usize {
        if WIDTH == 0 { self.width } else { WIDTH }
    }
}
