//! Typed configuration values: parsing and printing as Kafka's `ConfigDef` does. Not the check
//! against a range, which is `validator.rs`.

use std::fmt;

/// A config's type, with the codes of `DescribeConfigsResponse.ConfigType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigType {
    /// A key no definition knows.
    Unknown = 0,
    /// `true` or `false`, in any case.
    Boolean = 1,
    /// Text.
    String = 2,
    /// 32-bit integer.
    Int = 3,
    /// 16-bit integer.
    Short = 4,
    /// 64-bit integer.
    Long = 5,
    /// 64-bit floating point.
    Double = 6,
    /// Texts separated by commas.
    List = 7,
    /// The name of a Java class.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl ConfigType {
    /// The code on the wire (DescribeConfigs response, `ConfigType`).
    #[must_use]
    pub fn code(self) -> i8 {
        self as i8
    }

    /// The type named `name` in `configs.tsv`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "string" => Self::String,
            "int" => Self::Int,
            "short" => Self::Short,
            "long" => Self::Long,
            "double" => Self::Double,
            "list" => Self::List,
            "class" => Self::Class,
            "password" => Self::Password,
            _ => return None,
        })
    }
}

/// A parsed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Unset, without a default.
    Null,
    /// [`ConfigType::Boolean`].
    Boolean(bool),
    /// [`ConfigType::Short`] and [`ConfigType::Int`].
    Int(i32),
    /// [`ConfigType::Long`].
    Long(i64),
    /// [`ConfigType::Double`].
    Double(f64),
    /// [`ConfigType::String`], [`ConfigType::Class`] and [`ConfigType::Password`].
    Text(String),
    /// [`ConfigType::List`].
    List(Vec<String>),
}

impl Value {
    /// Parses `raw` as `config_type`; white space at both ends is dropped for every type, as
    /// Kafka's `ConfigDef.parseType` does.
    ///
    /// # Errors
    /// What the type expects, in Kafka's words.
    pub fn parse(config_type: ConfigType, raw: &str) -> Result<Self, String> {
        let text = raw.trim();
        let not_a_number = |kind: &str| format!("Not a number of type {kind}");
        match config_type {
            ConfigType::Boolean if text.eq_ignore_ascii_case("true") => Ok(Self::Boolean(true)),
            ConfigType::Boolean if text.eq_ignore_ascii_case("false") => Ok(Self::Boolean(false)),
            ConfigType::Boolean => Err("Expected value to be either true or false".to_owned()),
            ConfigType::Short => match text.parse::<i16>() {
                Ok(number) => Ok(Self::Int(i32::from(number))),
                Err(_) => Err(not_a_number("SHORT")),
            },
            ConfigType::Int => text.parse().map(Self::Int).map_err(|_| not_a_number("INT")),
            ConfigType::Long => text
                .parse()
                .map(Self::Long)
                .map_err(|_| not_a_number("LONG")),
            ConfigType::Double => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Double(number)),
                Ok(_) | Err(_) => Err(not_a_number("DOUBLE")),
            },
            ConfigType::List if text.is_empty() => Ok(Self::List(Vec::new())),
            ConfigType::List => Ok(Self::List(
                text.split(',').map(|item| item.trim().to_owned()).collect(),
            )),
            ConfigType::String | ConfigType::Class | ConfigType::Password | ConfigType::Unknown => {
                Ok(Self::Text(text.to_owned()))
            }
        }
    }

    /// The value as DescribeConfigs shows it; null when unset.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        (*self != Self::Null).then(|| self.to_string())
    }
}

impl fmt::Display for Value {
    /// Prints as Java's `toString` does, so that `kafka-configs` shows the same text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Long(value) => write!(f, "{value}"),
            Self::Double(value) => write_java_double(f, *value),
            Self::Text(value) => f.write_str(value),
            Self::List(items) => f.write_str(&items.join(",")),
        }
    }
}

/// `Double.toString`: plain digits from 0.001 up to 10,000,000, else a mantissa and `E`.
fn write_java_double(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return write!(f, "{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => {
            write!(f, "{mantissa}.0E{exponent}")
        }
        _ => f.write_str(&text),
    }
}

#[cfg(test)]
mod tests;
