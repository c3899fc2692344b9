//! Times by a pattern such as `yyyy-MM-dd HH:mm:ss:SSS` (Java's `SimpleDateFormat`), in UTC. Pure.

use std::fmt::Write as _;

const DAY_MS: i64 = 86_400_000;

/// A pattern that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateFormat {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A field by its letter, and how often that stands there: the least number of digits.
    Field(char, usize),
}

impl DateFormat {
    /// Reads a pattern of `y`, `M`, `d`, `H`, `m`, `s` and `S`; text in single quotes stands for
    /// itself.
    ///
    /// # Errors
    /// Another letter, or a quote that is not closed, in words.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut is_quoted = false;
        let mut characters = pattern.chars().peekable();
        while let Some(c) = characters.next() {
            match (c, parts.last_mut()) {
                ('\'', _) if characters.peek() == Some(&'\'') => {
                    characters.next();
                    push(&mut parts, '\'');
                }
                ('\'', _) => is_quoted = !is_quoted,
                ('y' | 'M' | 'd' | 'H' | 'm' | 's' | 'S', last) if !is_quoted => match last {
                    Some(Part::Field(letter, count)) if *letter == c => *count += 1,
                    _ => parts.push(Part::Field(c, 1)),
                },
                ('a'..='z' | 'A'..='Z', _) if !is_quoted => {
                    return Err(format!(
                        "Illegal pattern character '{c}': rbk knows y, M, d, H, m, s and S"
                    ));
                }
                (c, _) => push(&mut parts, c),
            }
        }
        if is_quoted {
            return Err("Unterminated quote".to_owned());
        }
        Ok(Self { parts })
    }

    /// The time of so many milliseconds since 1970.
    pub(crate) fn format(&self, time_ms: i64) -> String {
        let (year, month, day) = civil(time_ms.div_euclid(DAY_MS));
        let of_day = time_ms.rem_euclid(DAY_MS);
        let mut text = String::new();
        for part in &self.parts {
            let (letter, digits) = match part {
                Part::Text(it) => {
                    text.push_str(it);
                    continue;
                }
                Part::Field(letter, digits) => (*letter, *digits),
            };
            let number = match letter {
                'y' if digits == 2 => year.rem_euclid(100),
                'y' => year,
                'M' => month,
                'd' => day,
                'H' => of_day / 3_600_000,
                'm' => of_day / 60_000 % 60,
                's' => of_day / 1000 % 60,
                _ => of_day % 1000,
            };
            write!(text, "{number:0>digits$}").expect("a String takes every text");
        }
        text
    }
}

/// Appends to the text at the end.
fn push(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(c),
        _ => parts.push(Part::Text(c.into())),
    }
}

/// Year, month and day of a day since 1970, by the algorithm of Howard Hinnant's `civil_from_days`:
/// years begin in March there, so that the leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_by_the_pattern() {
        let format = |pattern: &str, ms| DateFormat::new(pattern).map(|it| it.format(ms));
        for (pattern, ms, expected) in [
            ("yyyy-MM-dd HH:mm:ss:SSS", 0, "1970-01-01 00:00:00:000"),
            (
                "yyyy-MM-dd HH:mm:ss:SSS",
                1_709_164_799_007,
                "2024-02-28 23:59:59:007",
            ),
            ("d.M.yy H'h'''", 1_709_164_799_007, "28.2.24 23h'"),
            ("yyyy-MM-dd", 951_782_400_000, "2000-02-29"),
            ("yyyy-MM-dd HH", -1, "1969-12-31 23"),
        ] {
            assert_eq!(format(pattern, ms).as_deref(), Ok(expected));
        }
        for wrong in ["yyyy-QQ", "'open"] {
            format(wrong, 0).unwrap_err();
        }
    }
}
