//! Kubernetes quantities (`100m`, `1843Mi`, `2`), as far as kubelet flags and Node capacities need them.

use std::fmt;
use std::str::FromStr;

/// An amount in thousandths of its unit: of a core for CPU, of a byte for memory and storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Quantity(i128);

/// A text that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a quantity such as `100m`, `1843Mi` or `2`")]
pub struct QuantityError(pub String);

const SUFFIXES: &[(&str, i128, i128)] = &[
    // Suffix, then the factor to thousandths as a fraction.
    ("Ki", 1000 << 10, 1),
    ("Mi", 1000 << 20, 1),
    ("Gi", 1000 << 30, 1),
    ("Ti", 1000 << 40, 1),
    ("Pi", 1000 << 50, 1),
    ("Ei", 1000 << 60, 1),
    ("n", 1, 1_000_000),
    ("u", 1, 1_000),
    ("m", 1, 1),
    ("k", 1_000_000, 1),
    ("M", 1_000_000_000, 1),
    ("G", 1_000_000_000_000, 1),
    ("T", 1_000_000_000_000_000, 1),
    ("P", 1_000_000_000_000_000_000, 1),
    ("E", 1_000_000_000_000_000_000_000, 1),
];

impl Quantity {
    /// Whole units: cores or bytes.
    #[must_use]
    pub fn units(units: i128) -> Self {
        Self(units * 1000)
    }

    /// Thousandths of a unit.
    #[must_use]
    pub fn milli(milli: i128) -> Self {
        Self(milli)
    }

    /// Whole units, rounded up as Kubernetes does.
    #[must_use]
    pub fn value(self) -> i128 {
        self.0.div_euclid(1000) + i128::from(self.0.rem_euclid(1000) != 0)
    }

    /// `self - other`, but not below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }

    /// The share `percent` of the whole units, rounded down; in floats, as kubelet does it.
    #[must_use]
    pub fn percent(self, percent: f64) -> Self {
        Self::units((self.value() as f64 * percent / 100.0) as i128)
    }

    /// As a byte count is written on a Node: in `Ki` where that is exact.
    #[must_use]
    pub fn bytes(self) -> String {
        let value = self.value();
        if value != 0 && value % 1024 == 0 { format!("{}Ki", value / 1024) } else { value.to_string() }
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError(text.to_owned());
        let (number, times, by) = SUFFIXES
            .iter()
            .find_map(|(suffix, times, by)| text.strip_suffix(suffix).map(|number| (number, *times, *by)))
            .unwrap_or((text, 1000, 1));
        let (sign, number) = match number.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        // 15 digits are far beyond any machine and keep the product within an i128.
        let fits = whole.len() + fraction.len() <= 15 && !(whole.is_empty() && fraction.is_empty());
        if !fits || !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let all: i128 = format!("{whole}{fraction}").parse().map_err(|_| error())?;
        let scale = 10_i128.pow(u32::try_from(fraction.len()).map_err(|_| error())?) * by;
        let scaled = all * times;
        Ok(Self(sign * (scaled / scale + i128::from(scaled % scale != 0))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Quantity {
        text.parse().expect(text)
    }

    #[test]
    fn suffixes_mean_what_they_mean_in_kubernetes() {
        assert_eq!(parsed("100m"), Quantity::milli(100));
        assert_eq!(parsed("2"), Quantity::units(2));
        assert_eq!(parsed("1843Mi").value(), 1843 << 20);
        assert_eq!(parsed("1.5Gi").value(), 3 << 29);
        assert_eq!(parsed("3Ei").value(), 3 << 60);
        assert_eq!(parsed("12E").value(), 12_000_000_000_000_000_000);
        assert_eq!(parsed("1n"), Quantity::milli(1), "rounded up to the finest step kept");
        assert_eq!(parsed("0.5").to_string(), "500m");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "m", "Mi", "1x", "1 Gi", "--1", "1.2.3", "10%", "9999999999999999"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(milli in 0_i128..1_000_000_000) {
            prop_assert_eq!(parsed(&Quantity::milli(milli).to_string()), Quantity::milli(milli));
        }

        #[test]
        fn byte_counts_read_the_same(bytes in 0_i128..1_000_000_000_000) {
            prop_assert_eq!(parsed(&Quantity::units(bytes).bytes()).value(), bytes);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
