//! Text whose tab-terminated cells are aligned per run of lines.

/// Aligns tab-terminated cells. A column is a run of consecutive lines that have the cell; its width is the larger
/// of `min_width` and its widest cell plus `padding`. A line without the cell ends the run.
pub fn tabs(text: &str, min_width: usize, padding: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut out = String::with_capacity(text.len() * 2);
    let rules = Rules { min_width, padding };
    rules.block(&lines, &mut Vec::new(), &mut out);
    // Splitting put an empty line behind the last newline; it is not one.
    out.pop();
    out
}

struct Rules {
    min_width: usize,
    padding: usize,
}

impl Rules {
    /// Writes `lines`, whose leading columns have the given widths, finding the widths of the columns after them.
    fn block(&self, lines: &[Vec<&str>], widths: &mut Vec<usize>, out: &mut String) {
        let column = widths.len();
        let mut at = 0;
        while at < lines.len() {
            let run = lines[at..].iter().take_while(|line| column + 1 < line.len()).count();
            if run == 0 {
                write_line(&lines[at], widths, out);
                at += 1;
                continue;
            }
            let cells = lines[at..at + run].iter().map(|line| line[column].chars().count() + self.padding);
            widths.push(cells.max().unwrap_or(0).max(self.min_width));
            self.block(&lines[at..at + run], widths, out);
            widths.pop();
            at += run;
        }
    }
}

fn write_line(line: &[&str], widths: &[usize], out: &mut String) {
    for (at, cell) in line.iter().enumerate() {
        out.push_str(cell);
        if let Some(width) = widths.get(at) {
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_its_widest_cell_and_the_padding() {
        assert_eq!(tabs("Key\tfoo\nCreateIndex\t336\n", 0, 6), "Key              foo\nCreateIndex      336\n");
    }

    #[test]
    fn stacked_tables_have_their_own_widths() {
        assert_eq!(tabs("a\tb\n\nlonger\tc\n", 0, 1), "a b\n\nlonger c\n");
    }

    #[test]
    fn a_line_without_the_second_cell_ends_only_that_column() {
        assert_eq!(tabs("a\tbbb\tc\nd\te\nf\tg\th\n", 0, 1), "a bbb c\nd e\nf g h\n");
    }

    #[test]
    fn the_minimum_width_holds_for_short_cells() {
        assert_eq!(tabs(" ID\tx\n", 8, 2), " ID     x\n");
    }
}
