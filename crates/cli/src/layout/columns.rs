//! Tables whose columns are as wide as their widest cell.

const GAP: &str = "  ";

/// Aligns rows of cells. Cells are trimmed; every column but a row's last is padded to its widest cell, counted in
/// characters, and two spaces. The result has no newline at its end.
pub fn columns<R: AsRef<[C]>, C: AsRef<str>>(rows: &[R]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (at, cell) in row.as_ref().iter().enumerate() {
            let width = cell.as_ref().trim().chars().count();
            match widths.get_mut(at) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let lines: Vec<String> = rows.iter().map(|row| line(row.as_ref(), &widths)).collect();
    lines.join("\n")
}

fn line<C: AsRef<str>>(row: &[C], widths: &[usize]) -> String {
    let mut out = String::new();
    for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
        let cell = cell.as_ref().trim();
        out.push_str(cell);
        if at + 1 < row.len() {
            out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            out.push_str(GAP);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = columns(&[vec!["Node", "Address"], vec!["a-long-name", "1"], vec!["b", "2"]]);
        assert_eq!(table, "Node         Address\na-long-name  1\nb            2");
    }

    #[test]
    fn cells_are_trimmed_counted_in_characters_and_may_hold_bars() {
        assert_eq!(columns(&[[" é|é ", "x"], ["abcd", "y"]]), "é|é   x\nabcd  y");
    }

    #[test]
    fn an_empty_last_cell_leaves_the_gap() {
        assert_eq!(columns(&[["a", ""], ["bb", "c"]]), "a   \nbb  c");
    }

    #[test]
    fn no_rows_are_no_text() {
        assert_eq!(columns::<Vec<&str>, &str>(&[]), "");
    }
}
