//! `safelight unlock`: remembers the key for a while, so that nothing is asked meanwhile.

use std::time::Duration;

use clap::Args;
use safelight_library::unlock::agent::Leash;

use crate::context::Context;
use crate::failure::Failure;

/// Remember the key for a while
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How long: 30m, 8h, 2d
    #[arg(long = "for", value_name = "TIME", default_value = "8h", value_parser = duration)]
    lifetime: Duration,
    /// Forget it when no command has needed it for so long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle: Option<Duration>,
    /// Remember it although the machine was suspended meanwhile
    #[arg(long)]
    through_sleep: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let folder = context.folder()?;
    let keys = context.unlock(&folder)?;
    let leash = Leash { idle: arguments.idle, through_sleep: arguments.through_sleep };
    context.start_agent(&folder, &keys, arguments.lifetime, leash)?;
    if context.output.json() {
        context
            .output
            .print_json(&serde_json::json!({ "unlocked_for_seconds": arguments.lifetime.as_secs() }))?;
    } else {
        context
            .output
            .talk(&format!("Unlocked for {}. safelight lock ends it.", spoken(arguments.lifetime.as_secs())));
    }
    Ok(())
}

/// `45 s` below two minutes, else hours and minutes.
fn spoken(seconds: u64) -> String {
    if seconds < 120 {
        return format!("{seconds} s");
    }
    let minutes = seconds / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// Reads `90s`, `30m`, `8h` or `2d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a number and a unit: 30m, 8h, 2d".into()),
    };
    let number: u64 = number.parse().map_err(|_| "a whole number and a unit: 30m, 8h, 2d".to_owned())?;
    match number.checked_mul(seconds) {
        Some(total @ 1..=2_592_000) => Ok(Duration::from_secs(total)),
        _ => Err("between a second and 30 days".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_is_said_in_seconds() {
        assert_eq!(spoken(1), "1 s");
        assert_eq!(spoken(119), "119 s");
        assert_eq!(spoken(120), "0 h 02 min");
        assert_eq!(spoken(28_800), "8 h 00 min");
    }

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(duration("8h"), Ok(Duration::from_secs(28_800)));
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert!(duration("8").is_err());
        assert!(duration("0h").is_err());
        assert!(duration("").is_err());
        assert!(duration("99999999999999999999d").is_err());
    }
}
