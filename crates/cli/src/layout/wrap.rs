//! Paragraphs broken at a width.

/// Breaks `text` at white space into lines of at most `width` characters, each behind `indent` spaces. A longer word
/// has a line of its own. Blank lines in `text` part paragraphs. No line but a paragraph's first begins with a word
/// like `-flag`, so that prose cannot be taken for a list of flags.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in units(paragraph) {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
        lines.iter().map(|line| format!("{margin}{line}")).collect::<Vec<_>>().join("\n")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// The words of a paragraph, those like `-flag` together with the word before them.
fn units(paragraph: &str) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    for word in paragraph.split_whitespace() {
        match units.last_mut() {
            Some(before) if word.starts_with('-') => {
                before.push(' ');
                before.push_str(word);
            }
            _ => units.push(word.to_string()),
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_the_width() {
        assert_eq!(wrap("one two three", 7, 1), " one two\n three");
    }

    #[test]
    fn a_flag_does_not_begin_a_line() {
        assert_eq!(wrap("one two -x three", 9, 0), "one\ntwo -x\nthree");
    }

    #[test]
    fn a_long_word_and_a_blank_line_are_kept() {
        assert_eq!(wrap("incomprehensible x\n\ny", 5, 0), "incomprehensible\nx\n\ny");
    }
}
