//! A planned maintenance window (`maintenanceWindow` of a maintenance configuration): when it is open.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::Value;

use super::refusal::invalid;
use arm::ArmError;

/// A window is no shorter and no longer than this.
const HOURS: std::ops::RangeInclusive<i64> = 4..=24;
/// How far ahead an opening is looked for. The rarest windows are half a year apart.
const DAYS_AHEAD: usize = 2 * 366;

/// A window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// No opening before this day.
    from: Date,
    at: Time,
    offset: Offset,
    hours: i64,
    schedule: Schedule,
    /// First and last days of times in which it stays closed.
    closed: Vec<(Date, Date)>,
}

/// The days on which a window opens. Intervals are counted from the window's start date, or, as Azure does not say from
/// when otherwise, from the first Monday of 1970.
#[derive(Debug, Clone, PartialEq)]
enum Schedule {
    Daily { every: i64 },
    Weekly { every: i64, day: Weekday },
    AbsoluteMonthly { every: i64, day: i64 },
    RelativeMonthly { every: i64, week: Week, day: Weekday },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Week {
    Nth(i8),
    Last,
}

impl Window {
    /// Reads `maintenanceWindow`.
    ///
    /// # Errors
    /// `InvalidParameter` that names the property. The texts are ours.
    pub(super) fn read(window: &Value) -> Result<Self, ArmError> {
        let hours = window["durationHours"].as_i64().unwrap_or_default();
        if !HOURS.contains(&hours) {
            let (least, most) = (HOURS.start(), HOURS.end());
            let message = format!("The value {hours} of durationHours must be between {least} and {most}.");
            return Err(refused("durationHours", message));
        }
        let schedule = Schedule::read(&window["schedule"])?;
        let text = |name: &str| window[name].as_str().filter(|text| !text.is_empty());
        let at = text("startTime").ok_or_else(|| refused("startTime", "The start time must be set, as HH:MM."))?;
        let at = Time::strptime("%H:%M", at)
            .map_err(|_| refused("startTime", format!("The value '{at}' of startTime is no time as HH:MM.")))?;
        let offset = match text("utcOffset") {
            None => Offset::UTC,
            Some(given) => read_offset(given).ok_or_else(|| {
                refused("utcOffset", format!("The value '{given}' of utcOffset is no offset as +HH:MM or -HH:MM."))
            })?,
        };
        let from = text("startDate").map_or(Ok(first_monday()), |given| read_date("startDate", given))?;
        let mut closed = Vec::new();
        for span in window["notAllowedDates"].as_array().into_iter().flatten() {
            let end = |name: &str| read_date("notAllowedDates", span[name].as_str().unwrap_or_default());
            closed.push((end("start")?, end("end")?));
        }
        Ok(Self { from, at, offset, hours, schedule, closed })
    }

    /// The first moment from `now` on at which it is open, `now` itself where it is, and when it closes again; `None` where
    /// it opens no more within two years.
    pub(super) fn next(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        // A window may go over midnight.
        let yesterday = self.offset.to_datetime(now).date().yesterday().ok()?;
        let days = yesterday.max(self.from).series(1.day()).take(DAYS_AHEAD);
        days.filter(|day| self.opens_on(*day)).find_map(|day| {
            let opens = self.offset.to_timestamp(day.to_datetime(self.at)).ok()?;
            let closes = opens.checked_add(SignedDuration::from_hours(self.hours)).ok()?;
            (closes > now).then(|| (opens.max(now), closes))
        })
    }

    fn opens_on(&self, day: Date) -> bool {
        let closed = self.closed.iter().any(|(first, last)| (*first..=*last).contains(&day));
        !closed && self.schedule.has(day, self.from)
    }
}

impl Schedule {
    fn read(schedule: &Value) -> Result<Self, ArmError> {
        const KINDS: [&str; 4] = ["daily", "weekly", "absoluteMonthly", "relativeMonthly"];
        let mut given = KINDS.iter().filter(|kind| schedule[**kind].is_object());
        let (Some(kind), None) = (given.next(), given.next()) else {
            return Err(refused("schedule", format!("Exactly one of {} must be set.", KINDS.join(", "))));
        };
        let (at, of) = (format!("schedule.{kind}"), &schedule[*kind]);
        let number = |name: &str, most: i64| match of[name].as_i64() {
            Some(number) if (1..=most).contains(&number) => Ok(number),
            _ => {
                let message = format!("The value {} of {name} must be between 1 and {most}.", of[name]);
                Err(refused(&format!("{at}.{name}"), message))
            }
        };
        let day = || {
            let named = of["dayOfWeek"].as_str().unwrap_or_default();
            weekday(named).ok_or_else(|| {
                refused(&format!("{at}.dayOfWeek"), format!("The value '{named}' of dayOfWeek is no day of the week."))
            })
        };
        Ok(match *kind {
            "daily" => Self::Daily { every: number("intervalDays", 7)? },
            "weekly" => Self::Weekly { every: number("intervalWeeks", 4)?, day: day()? },
            "absoluteMonthly" => {
                Self::AbsoluteMonthly { every: number("intervalMonths", 6)?, day: number("dayOfMonth", 31)? }
            }
            _ => {
                let named = of["weekIndex"].as_str().unwrap_or_default();
                let week = match named {
                    "First" => Week::Nth(1),
                    "Second" => Week::Nth(2),
                    "Third" => Week::Nth(3),
                    "Fourth" => Week::Nth(4),
                    "Last" => Week::Last,
                    _ => {
                        let message = format!(
                            "The value '{named}' of weekIndex is not one of First, Second, Third, Fourth, Last."
                        );
                        return Err(refused(&format!("{at}.weekIndex"), message));
                    }
                };
                Self::RelativeMonthly { every: number("intervalMonths", 6)?, week, day: day()? }
            }
        })
    }

    /// It has this day; intervals are counted from another one.
    fn has(&self, day: Date, from: Date) -> bool {
        let months = |day: Date| i64::from(day.year()) * 12 + i64::from(day.month());
        let nth_month = |every: i64| (months(day) - months(from)) % every == 0;
        match self {
            Self::Daily { every } => (number_of(day) - number_of(from)) % every == 0,
            Self::Weekly { every, day: wanted } => {
                let monday = |day: Date| number_of(day) - i64::from(day.weekday().to_monday_zero_offset());
                day.weekday() == *wanted && (monday(day) - monday(from)) / 7 % every == 0
            }
            // A month that is shorter has its last day instead. Azure does not say what it does.
            Self::AbsoluteMonthly { every, day: wanted } => {
                nth_month(*every) && i64::from(day.day()) == (*wanted).min(i64::from(day.days_in_month()))
            }
            Self::RelativeMonthly { every, week, day: wanted } => {
                let nth = match week {
                    Week::Nth(nth) => *nth,
                    Week::Last => -1,
                };
                nth_month(*every) && day.nth_weekday_of_month(nth, *wanted).is_ok_and(|found| found == day)
            }
        }
    }
}

/// Number of a day, from any one on.
fn number_of(day: Date) -> i64 {
    day.duration_since(first_monday()).as_hours() / 24
}

fn first_monday() -> Date {
    Date::constant(1970, 1, 5)
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "Monday" => Weekday::Monday,
        "Tuesday" => Weekday::Tuesday,
        "Wednesday" => Weekday::Wednesday,
        "Thursday" => Weekday::Thursday,
        "Friday" => Weekday::Friday,
        "Saturday" => Weekday::Saturday,
        "Sunday" => Weekday::Sunday,
        _ => return None,
    })
}

/// `+05:30`.
fn read_offset(given: &str) -> Option<Offset> {
    let (sign, rest) = match given.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = ((0..=14).contains(&hours) && (0..60).contains(&minutes)).then_some((hours * 60 + minutes) * 60)?;
    Offset::from_seconds(sign * seconds).ok()
}

/// `2026-03-02`.
fn read_date(name: &str, given: &str) -> Result<Date, ArmError> {
    Date::strptime("%Y-%m-%d", given)
        .map_err(|_| refused(name, format!("The value '{given}' of {name} is no day as YYYY-MM-DD.")))
}

fn refused(name: &str, message: impl Into<String>) -> ArmError {
    invalid(&format!("properties.maintenanceWindow.{name}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn window(schedule: Value, more: Value) -> Result<Window, ArmError> {
        let mut window = json!({"schedule": schedule, "durationHours": 4, "startTime": "10:00"});
        for (name, value) in more.as_object().unwrap() {
            window[name] = value.clone();
        }
        Window::read(&window)
    }

    /// From 2026-03-02 (a Monday) on: the next openings.
    fn openings(schedule: Value, more: Value) -> Vec<String> {
        let window = window(schedule, more).unwrap();
        let mut now: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..3 {
            let (opens, closes) = window.next(now).unwrap();
            assert_eq!(closes.duration_since(opens).as_hours(), 4, "{opens}");
            found.push(opens.strftime("%m-%d %H:%M").to_string());
            now = closes;
        }
        found
    }

    #[test]
    fn windows_open_on_their_days() {
        let none = || json!({});
        let daily = json!({"daily": {"intervalDays": 1}});
        assert_eq!(openings(daily.clone(), none()), ["03-02 10:00", "03-03 10:00", "03-04 10:00"]);
        assert_eq!(
            openings(daily.clone(), json!({"utcOffset": "-03:30"})),
            ["03-02 13:30", "03-03 13:30", "03-04 13:30"]
        );
        assert_eq!(
            openings(daily.clone(), json!({"startDate": "2026-05-01"})),
            ["05-01 10:00", "05-02 10:00", "05-03 10:00"]
        );
        let holidays = json!({"notAllowedDates": [{"start": "2026-03-02", "end": "2026-03-04"}]});
        assert_eq!(openings(daily, holidays), ["03-05 10:00", "03-06 10:00", "03-07 10:00"]);
        let every_third = json!({"daily": {"intervalDays": 3}});
        assert_eq!(
            openings(every_third, json!({"startDate": "2026-02-27"})),
            ["03-02 10:00", "03-05 10:00", "03-08 10:00"]
        );
        let fridays = json!({"weekly": {"intervalWeeks": 2, "dayOfWeek": "Friday"}});
        assert_eq!(
            openings(fridays, json!({"startDate": "2026-03-02"})),
            ["03-06 10:00", "03-20 10:00", "04-03 10:00"]
        );
        let last_of_month = json!({"absoluteMonthly": {"intervalMonths": 1, "dayOfMonth": 31}});
        assert_eq!(openings(last_of_month, none()), ["03-31 10:00", "04-30 10:00", "05-31 10:00"]);
        let second_tuesday =
            json!({"relativeMonthly": {"intervalMonths": 1, "weekIndex": "Second", "dayOfWeek": "Tuesday"}});
        assert_eq!(openings(second_tuesday, none()), ["03-10 10:00", "04-14 10:00", "05-12 10:00"]);
        let last_sunday = json!({"relativeMonthly": {"intervalMonths": 3, "weekIndex": "Last", "dayOfWeek": "Sunday"}});
        assert_eq!(
            openings(last_sunday, json!({"startDate": "2026-03-01"})),
            ["03-29 10:00", "06-28 10:00", "09-27 10:00"]
        );
    }

    #[test]
    fn an_open_window_is_open_now_also_after_midnight() {
        let window =
            window(json!({"weekly": {"intervalWeeks": 1, "dayOfWeek": "Sunday"}}), json!({"startTime": "22:00"}))
                .unwrap();
        let now: Timestamp = "2026-03-02T01:00:00Z".parse().unwrap();
        assert_eq!(window.next(now), Some((now, "2026-03-02T02:00:00Z".parse().unwrap())));
        let closed: Timestamp = "2026-03-02T02:00:00Z".parse().unwrap();
        assert_eq!(window.next(closed).unwrap().0, "2026-03-08T22:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_no_window_is_refused_by_name() {
        let daily = || json!({"daily": {"intervalDays": 1}});
        for (schedule, more, named) in [
            (daily(), json!({"durationHours": 3}), "durationHours"),
            (daily(), json!({"durationHours": 25}), "durationHours"),
            (daily(), json!({"startTime": "24:00"}), "startTime"),
            (daily(), json!({"startTime": ""}), "startTime"),
            (daily(), json!({"utcOffset": "5"}), "utcOffset"),
            (daily(), json!({"startDate": "2026-02-30"}), "startDate"),
            (daily(), json!({"notAllowedDates": [{"start": "2026-02-01"}]}), "notAllowedDates"),
            (json!({}), json!({}), "schedule"),
            (json!({"daily": {}, "weekly": {}}), json!({}), "schedule"),
            (json!({"daily": {"intervalDays": 8}}), json!({}), "schedule.daily.intervalDays"),
            (json!({"weekly": {"intervalWeeks": 1, "dayOfWeek": "Someday"}}), json!({}), "schedule.weekly.dayOfWeek"),
            (
                json!({"relativeMonthly": {"intervalMonths": 1, "weekIndex": "Fifth", "dayOfWeek": "Monday"}}),
                json!({}),
                "schedule.relativeMonthly.weekIndex",
            ),
        ] {
            let refusal = window(schedule, more).unwrap_err();
            assert_eq!(refusal.code(), "InvalidParameter");
            assert_eq!(refusal.error.target.as_deref(), Some(&*format!("properties.maintenanceWindow.{named}")));
        }
    }
}
