//! RE2 syntax in the words of the `regex` crate. Both are regular, so every pattern can be said in
//! the other; but where one reads an operator the other reads a character (`[a&&b]`, `a{,2}`), and
//! each refuses what the other takes (`a**`, `(?x)`, `\Q..\E`, octal escapes).
//!
//! Called by `topic_regex`. The accepted syntax is that of `com.google.re2j` 1.8 with its Perl
//! flags; the test's table was taken from it. Not the same: a flag group between an atom and its
//! repetition (`a(?i)*`) and the same flag twice are refused here; the limit of a pattern's size is
//! that of `topic_regex`; the names of Unicode classes are those the `regex` crate knows.
//!
//! Every character that is not a letter, a digit or beyond ASCII goes out as `\x{..}`, so nothing
//! is an operator by accident; groups become groups without names.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use thiserror::Error;

/// RE2 refuses repetitions beyond this count.
const REPETITIONS_MAX: u32 = 1000;

/// The names of POSIX classes, which both dialects write `[:name:]` inside a class.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Why a pattern is not RE2 syntax, in the words of re2j.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Re2Error {
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    #[error("invalid escape sequence")]
    InvalidEscape,
    #[error("missing closing ]")]
    MissingBracket,
    #[error("invalid character class range")]
    InvalidCharRange,
    #[error("missing argument to repetition operator")]
    MissingRepeatArgument,
    #[error("invalid nested repetition operator")]
    NestedRepeat,
    #[error("invalid repeat count")]
    InvalidRepeatCount,
    #[error("invalid named capture")]
    InvalidNamedCapture,
    #[error("duplicate capture group name")]
    DuplicateCaptureName,
    #[error("invalid or unsupported Perl syntax")]
    InvalidPerlSyntax,
}

/// The pattern for the `regex` crate. Unbalanced parentheses are left for it to refuse.
///
/// # Errors
/// [`Re2Error`] if the pattern is not RE2 syntax.
pub(super) fn translate(pattern: &str) -> Result<String, Re2Error> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len()),
        before: Before::Start,
        group_names: BTreeSet::new(),
    };
    while let Some(next) = translator.take() {
        translator.item(next)?;
    }
    Ok(translator.out)
}

/// What stands before the place reached, which decides whether a repetition may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The start of the pattern, of a group or of an alternative.
    Start,
    Atom,
    Repetition,
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    before: Before,
    group_names: BTreeSet<&'a str>,
}

impl<'a> Translator<'a> {
    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        Some(next)
    }

    fn take_if(&mut self, prefix: &str) -> bool {
        let stripped = self.rest.strip_prefix(prefix);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    /// One item outside of a character class.
    fn item(&mut self, next: char) -> Result<(), Re2Error> {
        match next {
            '(' => return self.open_group(),
            '|' => {
                self.out.push('|');
                self.before = Before::Start;
                return Ok(());
            }
            '*' | '+' | '?' => {
                self.may_repeat()?;
                self.out.push(next);
                return self.end_repetition();
            }
            '{' => {
                if let Some(repetition) = self.take_counted_repetition()? {
                    self.may_repeat()?;
                    self.out.push_str(&repetition);
                    return self.end_repetition();
                }
                self.literal('{');
            }
            '[' => self.class()?,
            '\\' => return self.escape(),
            ')' | '^' | '$' | '.' => self.out.push(next),
            other => self.literal(other),
        }
        self.before = Before::Atom;
        Ok(())
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            write!(self.out, r"\x{{{:x}}}", u32::from(c)).expect("strings take everything");
        } else {
            self.out.push(c);
        }
    }

    fn may_repeat(&self) -> Result<(), Re2Error> {
        match self.before {
            Before::Start => Err(Re2Error::MissingRepeatArgument),
            Before::Atom => Ok(()),
            Before::Repetition => Err(Re2Error::NestedRepeat),
        }
    }

    fn end_repetition(&mut self) -> Result<(), Re2Error> {
        if self.take_if("?") {
            self.out.push('?');
        }
        self.before = Before::Repetition;
        Ok(())
    }

    /// What follows a `{` if that makes it a repetition: `2}`, `2,}` or `2,3}`.
    fn take_counted_repetition(&mut self) -> Result<Option<String>, Re2Error> {
        let Some((inside, rest)) = self.rest.split_once('}') else {
            return Ok(None);
        };
        let (min, max) = inside.split_once(',').unwrap_or((inside, inside));
        let is_open = max.is_empty() && inside.contains(',');
        if !is_count(min) || !(is_open || is_count(max)) {
            return Ok(None);
        }
        let count = |digits: &str| digits.parse::<u32>().unwrap_or(u32::MAX);
        let counts_fit = count(min) <= REPETITIONS_MAX
            && (is_open || count(min) <= count(max) && count(max) <= REPETITIONS_MAX);
        if !counts_fit {
            return Err(Re2Error::InvalidRepeatCount);
        }
        self.rest = rest;
        Ok(Some(format!("{{{inside}}}")))
    }

    /// What follows a `(`.
    fn open_group(&mut self) -> Result<(), Re2Error> {
        if !self.take_if("?") {
            self.out.push_str("(?:");
            self.before = Before::Start;
            return Ok(());
        }
        if self.take_if("P<") || self.take_if("<") {
            let (name, rest) = self
                .rest
                .split_once('>')
                .ok_or(Re2Error::InvalidNamedCapture)?;
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_word) {
                return Err(Re2Error::InvalidNamedCapture);
            }
            if !self.group_names.insert(name) {
                return Err(Re2Error::DuplicateCaptureName);
            }
            self.rest = rest;
            self.out.push_str("(?:");
            self.before = Before::Start;
            return Ok(());
        }
        self.flags()
    }

    /// What follows a `(?`: flags for what is left of the group, or for a group of their own.
    fn flags(&mut self) -> Result<(), Re2Error> {
        let rest = self.rest;
        let len = rest.find([':', ')']).ok_or(Re2Error::InvalidPerlSyntax)?;
        let (flags, rest) = rest.split_at(len);
        let (set, cleared) = match flags.split_once('-') {
            Some((_, "")) => return Err(Re2Error::InvalidPerlSyntax),
            Some(flags) => flags,
            None => (flags, ""),
        };
        let are_known = |flags: &str| flags.chars().all(|flag| "imsU".contains(flag));
        if !are_known(set) || !are_known(cleared) {
            return Err(Re2Error::InvalidPerlSyntax);
        }
        if rest.starts_with(':') {
            write!(self.out, "(?{flags}:").expect("strings take everything");
            self.before = Before::Start;
        } else if !flags.is_empty() {
            write!(self.out, "(?{flags})").expect("strings take everything");
        }
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(())
    }

    /// What follows a backslash outside of a character class.
    fn escape(&mut self) -> Result<(), Re2Error> {
        if self.take_if("Q") {
            let (quoted, rest) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
            self.rest = rest;
            for c in quoted.chars() {
                self.literal(c);
                self.before = Before::Atom;
            }
            return Ok(());
        }
        let anchors = ["A", "z", "b", "B"];
        let anchor = anchors.into_iter().find(|anchor| self.take_if(anchor));
        if let Some(anchor) = anchor {
            self.out.push('\\');
            self.out.push_str(anchor);
        } else if !self.take_class_escape()? {
            let c = self.take_escaped()?;
            self.literal(c);
        }
        self.before = Before::Atom;
        Ok(())
    }

    /// What follows a backslash if it stands for a class: `d`, `W`, `pN`, `p{Greek}`, ...
    fn take_class_escape(&mut self) -> Result<bool, Re2Error> {
        const PERL: [(&str, &str); 6] = [
            ("d", "[0-9]"),
            ("D", "[^0-9]"),
            ("s", r"[\t\n\f\r ]"),
            ("S", r"[^\t\n\f\r ]"),
            ("w", "[0-9A-Za-z_]"),
            ("W", "[^0-9A-Za-z_]"),
        ];
        if let Some((_, class)) = PERL.into_iter().find(|(name, _)| self.take_if(name)) {
            self.out.push_str(class);
            return Ok(true);
        }
        let mut is_negated = self.take_if("P");
        if !is_negated && !self.take_if("p") {
            return Ok(false);
        }
        let mut name = if self.take_if("{") {
            let (name, rest) = self
                .rest
                .split_once('}')
                .ok_or(Re2Error::InvalidCharRange)?;
            self.rest = rest;
            name
        } else {
            let before = self.rest;
            self.take().ok_or(Re2Error::InvalidEscape)?;
            &before[..before.len() - self.rest.len()]
        };
        if let Some(positive) = name.strip_prefix('^') {
            name = positive;
            is_negated = !is_negated;
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic() || c == '_') {
            return Err(Re2Error::InvalidCharRange);
        }
        let letter = if is_negated { 'P' } else { 'p' };
        write!(self.out, r"\{letter}{{{name}}}").expect("strings take everything");
        Ok(true)
    }

    /// What follows a backslash where it stands for one character.
    fn take_escaped(&mut self) -> Result<char, Re2Error> {
        let c = self.take().ok_or(Re2Error::TrailingBackslash)?;
        match c {
            '0' => self.take_octal(c),
            // A single digit other than 0 would be a back reference.
            '1'..='7' if self.rest.starts_with(is_octal) => self.take_octal(c),
            'x' => self.take_hexadecimal(),
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0b'),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
            _ => Err(Re2Error::InvalidEscape),
        }
    }

    /// An octal escape of up to three digits, the first of which is `first`.
    fn take_octal(&mut self, first: char) -> Result<char, Re2Error> {
        let mut value = first.to_digit(8).ok_or(Re2Error::InvalidEscape)?;
        for _ in 0..2 {
            if !self.rest.starts_with(is_octal) {
                break;
            }
            let digit = self.take().and_then(|c| c.to_digit(8));
            value = value * 8 + digit.ok_or(Re2Error::InvalidEscape)?;
        }
        char::from_u32(value).ok_or(Re2Error::InvalidEscape)
    }

    /// What follows `\x`: two digits, or any number of them in braces.
    fn take_hexadecimal(&mut self) -> Result<char, Re2Error> {
        let (digits, rest) = if self.take_if("{") {
            self.rest.split_once('}')
        } else {
            self.rest.split_at_checked(2)
        }
        .ok_or(Re2Error::InvalidEscape)?;
        self.rest = rest;
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Re2Error::InvalidEscape);
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| Re2Error::InvalidEscape)?;
        char::from_u32(value).ok_or(Re2Error::InvalidEscape)
    }

    /// What follows a `[`.
    fn class(&mut self) -> Result<(), Re2Error> {
        self.out.push('[');
        if self.take_if("^") {
            self.out.push('^');
        }
        let mut is_first = true;
        while is_first || !self.take_if("]") {
            is_first = false;
            self.class_item()?;
        }
        self.out.push(']');
        Ok(())
    }

    fn class_item(&mut self) -> Result<(), Re2Error> {
        if let Some((name, rest)) = self
            .rest
            .strip_prefix("[:")
            .and_then(|rest| rest.split_once(":]"))
        {
            if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                return Err(Re2Error::InvalidCharRange);
            }
            write!(self.out, "[:{name}:]").expect("strings take everything");
            self.rest = rest;
            return Ok(());
        }
        let item = self.rest;
        if self.take_if(r"\") {
            if self.take_class_escape()? {
                return Ok(());
            }
            self.rest = item;
        }
        let first = self.class_char()?;
        self.literal(first);
        if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
            self.take();
            let last = self.class_char()?;
            if last < first {
                return Err(Re2Error::InvalidCharRange);
            }
            self.out.push('-');
            self.literal(last);
        }
        Ok(())
    }

    fn class_char(&mut self) -> Result<char, Re2Error> {
        match self.take().ok_or(Re2Error::MissingBracket)? {
            '\\' => self.take_escaped(),
            c => Ok(c),
        }
    }
}

/// Digits without a leading zero; RE2 reads anything else in braces as characters.
fn is_count(digits: &str) -> bool {
    let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits && (digits == "0" || !digits.starts_with('0'))
}

fn is_octal(c: char) -> bool {
    c.is_digit(8)
}

#[cfg(test)]
mod tests;
