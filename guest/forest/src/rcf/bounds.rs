//! Boxes around points, so laid out that one pass of four lanes at a time computes with them.
//!
//! A box is a row of numbers: the least of each coordinate, then the least of each *negated*
//! coordinate (which is the greatest, negated), then zeros to fill the last lanes. A point is the
//! row of the box around it alone. So the box around two others is the lesser of each number, and
//! what is positive of `box - point` is how far the point lies outside.

/// So many numbers are computed with at once.
pub(crate) const LANES: usize = 4;

/// The unit of a row.
pub(crate) type Lanes = [f32; LANES];

/// The length of a row, in [`Lanes`].
pub(crate) fn width(dimensions: usize) -> usize {
    (2 * dimensions).div_ceil(LANES)
}

/// How far a point lies outside a box: the sum over the coordinates. 0 if it lies within.
#[inline]
pub(crate) fn excess(bounds: &[Lanes], point: &[Lanes]) -> f32 {
    let mut sums = [0.0; LANES];
    for (bounds, point) in bounds.iter().zip(point) {
        for lane in 0..LANES {
            let outside = bounds[lane] - point[lane];
            sums[lane] += if outside > 0.0 { outside } else { 0.0 };
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The sum of a box's sides.
pub(crate) fn range(bounds: &[Lanes], dimensions: usize) -> f32 {
    let (least, negated) = bounds.as_flattened().split_at(dimensions);
    least.iter().zip(negated).map(|(least, negated)| -negated - least).sum()
}

/// Makes the box one around the point too.
pub(crate) fn extend(bounds: &mut [Lanes], point: &[Lanes]) {
    for (bounds, point) in bounds.iter_mut().zip(point) {
        *bounds = lesser(bounds, point);
    }
}

#[inline]
fn lesser(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] })
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

    #[inline]
    pub(crate) fn get(&self, row: u16) -> &[Lanes] {
        &self.lanes[usize::from(row) * self.width..][..self.width]
    }

    /// A row whose length is known: `WIDTH`. With 0 it is not.
    #[inline]
    pub(crate) fn get_of<const WIDTH: usize>(&self, row: u16) -> &[Lanes] {
        match WIDTH {
            0 => self.get(row),
            _ => &self.lanes[usize::from(row) * WIDTH..][..WIDTH],
        }
    }

    pub(crate) fn get_mut(&mut self, row: u16) -> &mut [Lanes] {
        &mut self.lanes[usize::from(row) * self.width..][..self.width]
    }

    /// Makes a row the box around two others. Tells whether it was not.
    pub(crate) fn unite(&mut self, row: u16, [a, b]: [u16; 2]) -> bool {
        let [row, a, b] = [row, a, b].map(|row| usize::from(row) * self.width);
        let mut changed = false;
        for lanes in 0..self.width {
            let united = lesser(&self.lanes[a + lanes], &self.lanes[b + lanes]);
            changed |= self.lanes[row + lanes] != united;
            self.lanes[row + lanes] = united;
        }
        changed
    }
}
