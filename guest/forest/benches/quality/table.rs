//! Tables that read well on a terminal, and are Markdown.

/// A table whose first columns hold text and whose others hold figures.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// How many columns hold text.
    text: usize,
}

impl Table {
    /// A table with nothing below its headings, the first `text` of which are of text.
    pub(crate) fn new(text: usize, headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()], text }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as Markdown, its columns aligned.
    pub(crate) fn markdown(&self) -> String {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(4)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let line = |cells: &[String]| {
            let cell = |(column, cell): (usize, &String)| match column < self.text {
                true => format!("{cell:<width$}", width = widths[column]),
                false => format!("{cell:>width$}", width = widths[column]),
            };
            format!("| {} |\n", cells.iter().enumerate().map(cell).collect::<Vec<_>>().join(" | "))
        };
        let rule = |(column, &width): (usize, &usize)| match column < self.text {
            true => "-".repeat(width),
            false => "-".repeat(width - 1) + ":",
        };
        let rules: Vec<String> = widths.iter().enumerate().map(rule).collect();
        let mut table = line(&self.rows[0]) + &line(&rules);
        table.extend(self.rows[1..].iter().map(|row| line(row)));
        table
    }
}

/// A figure with so many decimals; a dash where it is not defined.
pub(crate) fn figure(figure: Option<f64>, decimals: usize) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.decimals$}"))
}
