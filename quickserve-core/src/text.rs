//! Making what a container wrote safe to show.

/// The longest line that is shown.
const LONGEST: usize = 4096;

/// A line without terminal escapes and control characters, and not longer than a screen can hold.
///
/// A log line is untrusted: an escape sequence in it could repaint the terminal that shows it.
pub fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len().min(LONGEST));
    let mut chars = line.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '\u{1b}' => match chars.next() {
                // CSI: parameters and intermediates, then one final byte (ECMA-48, 5.4).
                Some('[') => {
                    while chars.next_if(|next| ('\u{20}'..='\u{3f}').contains(next)).is_some() {}
                    let _ = chars.next_if(|next| ('\u{40}'..='\u{7e}').contains(next));
                }
                // OSC, DCS, SOS, PM, APC: up to BEL or ST.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(next) = chars.next() {
                        if next == '\u{7}' || (next == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                // Two or three characters, such as ESC 7 and ESC ( B.
                Some('\u{20}'..='\u{2f}') => drop(chars.next()),
                _ => {}
            },
            '\t' => out.push(' '),
            // Overriding the direction of text can hide what it says.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            next if next.is_control() => {}
            next => out.push(next),
        }
        if out.len() >= LONGEST {
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_control_characters_are_gone() {
        assert_eq!(plain("\u{1b}[31;1mred\u{1b}[0m\r"), "red");
        assert_eq!(plain("\u{1b}]0;title\u{7}text\u{1b}]8;;x\u{1b}\\link"), "textlink");
        assert_eq!(plain("a\tb\u{8}\u{0}c\u{1b}(Bd\u{9b}e"), "a bcde");
        assert_eq!(plain("\u{202e}drow"), "drow");
        assert_eq!(plain("\u{1b}"), "");
    }

    #[test]
    fn a_line_has_an_end() {
        assert!(plain(&"x".repeat(1 << 20)).len() < LONGEST + 8);
    }
}
