//! Fewer points for a picture that shows the same.

/// The points of a line that can be told apart when it is drawn so many `parts` wide: of each part
/// the lowest and the highest, in their order. Values that are no numbers are left out.
pub(super) fn line(values: &[f64], parts: usize) -> Vec<(usize, f64)> {
    let numbers = |from: usize, part: &[f64]| -> Vec<(usize, f64)> {
        let numbered = part.iter().enumerate().map(|(offset, &value)| (from + offset, value));
        numbered.filter(|(_, value)| !value.is_nan()).collect()
    };
    let length = values.len().div_ceil(parts.max(1)).max(1);
    if length <= 2 {
        return numbers(0, values);
    }
    let mut points = Vec::new();
    for (number, part) in values.chunks(length).enumerate() {
        let numbers = numbers(number * length, part);
        let by_value = |one: &&(usize, f64), other: &&(usize, f64)| one.1.total_cmp(&other.1);
        let lowest = numbers.iter().min_by(by_value).copied();
        let highest = numbers.iter().max_by(by_value).copied();
        if let (Some(lowest), Some(highest)) = (lowest, highest) {
            let (first, second) =
                if lowest.0 < highest.0 { (lowest, highest) } else { (highest, lowest) };
            points.push(first);
            if first.0 != second.0 {
                points.push(second);
            }
        }
    }
    points
}

/// The marks, of `records`, that can be told apart when they are drawn so many `parts` wide: of each
/// part the first with the highest value.
pub(super) fn marks(marked: &[usize], values: &[f64], parts: usize) -> Vec<(usize, f64)> {
    let length = values.len().div_ceil(parts.max(1)).max(1);
    let mut kept: Vec<(usize, f64)> = Vec::new();
    for &index in marked.iter().filter(|&&index| !values[index].is_nan()) {
        match kept.last_mut() {
            Some(last) if last.0 / length == index / length => {
                if values[index] > last.1 {
                    *last = (index, values[index]);
                }
            }
            _ => kept.push((index, values[index])),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_stay_as_they_are() {
        let values = [3.0, f64::NAN, 1.0, 2.0];
        assert_eq!(line(&values, 2), [(0, 3.0), (2, 1.0), (3, 2.0)]);
        assert_eq!(line(&[], 2), []);
        assert_eq!(marks(&[0, 1, 3], &values, 4), [(0, 3.0), (3, 2.0)]);
    }

    #[test]
    fn of_many_the_extremes_of_each_part_stay() {
        let mut values: Vec<f64> = vec![5.0; 3000];
        values[17] = 9.0;
        values[18] = 1.0;
        values[2999] = f64::NAN;
        let points = line(&values, 100);
        assert!(points.len() <= 200, "{}", points.len());
        assert_eq!(points[..2], [(17, 9.0), (18, 1.0)]);
        assert_eq!(marks(&[16, 17, 18, 40], &values, 100), [(17, 9.0), (40, 5.0)]);
    }

    #[test]
    fn points_are_in_order() {
        let values: Vec<f64> = (0..5000).map(|n| f64::from(n * 7919 % 1013)).collect();
        assert!(line(&values, 300).is_sorted_by_key(|point| point.0));
    }
}
