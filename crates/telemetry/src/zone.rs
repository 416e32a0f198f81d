//! The local time zone, for timestamps.

use std::time::SystemTime;

use time::{OffsetDateTime, UtcOffset};
use tz::TimeZone;

/// A time zone with its history of offsets. Read once: a later change of the zone files needs a restart.
#[derive(Debug, Clone)]
pub struct Zone(Option<TimeZone>);

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self(None)
    }

    /// The zone of the `TZ` variable, or of `/etc/localtime` when it is unset; UTC when neither can be read.
    pub fn local() -> Self {
        match std::env::var("TZ") {
            Ok(name) if name.is_empty() => Self::utc(),
            Ok(name) => Self(TimeZone::from_posix_tz(&name).ok()),
            Err(_) => Self(TimeZone::local().ok()),
        }
    }

    /// The given instant on the wall clock of this zone.
    pub(crate) fn at(&self, now: SystemTime) -> OffsetDateTime {
        let utc = OffsetDateTime::from(now);
        let Some(zone) = &self.0 else { return utc };
        let seconds = zone.find_local_time_type(utc.unix_timestamp()).map_or(0, |kind| kind.ut_offset());
        UtcOffset::from_whole_seconds(seconds).map_or(utc, |offset| utc.to_offset(offset))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_offset_follows_daylight_saving() {
        let zone = Zone(TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").ok());
        let cases = [(1_673_784_000, 3600), (1_689_422_400, 7200)];
        for (unix_seconds, offset_seconds) in cases {
            let local = zone.at(UNIX_EPOCH + Duration::from_secs(unix_seconds));
            assert_eq!(local.offset().whole_seconds(), offset_seconds, "at {unix_seconds}");
            assert_eq!(local.unix_timestamp(), unix_seconds as i64);
        }
    }
}
