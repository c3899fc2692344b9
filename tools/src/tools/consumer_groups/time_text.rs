//! Dates and durations as `--to-datetime` and `--by-duration` take them. Pure.

/// The milliseconds since 1970 of a date such as `2026-01-31T23:59:59.000`, which is in UTC unless
/// it ends with `Z` or an offset such as `+09:00`.
///
/// # Errors
/// It is no such date, in the words of Kafka's exception.
pub(in crate::tools) fn datetime_ms(text: &str) -> Result<i64, String> {
    let unparseable = || format!("java.text.ParseException: Unparseable date: \"{text}\"");
    let Some((date, time)) = text.split_once('T') else {
        return Err(
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' \
                    according to ISO8601 format"
                .to_owned(),
        );
    };
    let (time, zone) = match time.find(['+', '-', 'Z']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let day = day_number(date).ok_or_else(unparseable)?;
    let time_ms = time_ms(time).ok_or_else(unparseable)?;
    let zone_ms = zone_ms(zone).ok_or_else(unparseable)?;
    Ok(day * 86_400_000 + time_ms - zone_ms)
}

fn number(text: &str) -> Option<i64> {
    let is_number =
        !text.is_empty() && text.len() <= 9 && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn parts<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let numbers: Option<Vec<_>> = text.split(separator).map(number).collect();
    numbers?.try_into().ok()
}

/// Days since 1970 of a date of the Gregorian calendar, as counted in eras of 400 years that begin
/// in March.
fn day_number(date: &str) -> Option<i64> {
    let [year, month, day] = parts::<3>(date, '-')?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=days_in_month).contains(&day) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn time_ms(time: &str) -> Option<i64> {
    let (time, millis) = time.split_once('.')?;
    let [hours, minutes, seconds] = parts::<3>(time, ':')?;
    let millis = number(millis)?;
    let is_time = hours < 24 && minutes < 60 && seconds < 60 && millis < 1000;
    is_time.then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

fn zone_ms(zone: &str) -> Option<i64> {
    let (sign, offset) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", offset) => (1, offset),
        ("-", offset) => (-1, offset),
        _ => return None,
    };
    let [hours, minutes] = match offset.len() {
        2 => [number(offset)?, 0],
        5 => parts::<2>(offset, ':')?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// The milliseconds of a duration such as `P1DT2H30M5.5S`.
///
/// # Errors
/// It is no such duration, in the words of Java's exception.
pub(in crate::tools) fn duration_ms(text: &str) -> Result<i64, String> {
    duration(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn duration(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (negative, rest) = match upper.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    let mut total_ms = 0_i64;
    let mut add = |amount: i64, unit_ms: i64| {
        total_ms = total_ms.checked_add(amount.checked_mul(unit_ms)?)?;
        Some(())
    };
    if !days.is_empty() {
        add(signed(days.strip_suffix('D')?)?, 86_400_000)?;
    }
    let mut time = time;
    for (unit, unit_ms) in [('H', 3_600_000), ('M', 60_000)] {
        if let Some((amount, rest)) = time.split_once(unit) {
            add(signed(amount)?, unit_ms)?;
            time = rest;
        }
    }
    if !time.is_empty() {
        let seconds = time.strip_suffix('S')?;
        let (whole, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
        if 9 < fraction.len() || !fraction.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        add(signed(whole)?, 1000)?;
        let millis = format!("{fraction:0<3}")[..3].parse::<i64>().ok()?;
        add(
            if whole.starts_with('-') {
                -millis
            } else {
                millis
            },
            1,
        )?;
    }
    let is_empty = days.is_empty() && upper.ends_with('P');
    (!is_empty).then_some(if negative { -total_ms } else { total_ms })
}

fn signed(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
