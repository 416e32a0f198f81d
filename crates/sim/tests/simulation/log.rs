//! The log of all agents, with the cluster's time, for who looks for the cause of a failure.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Asks for it; its value is the lowest level.
const VARIABLE: &str = "PROCONSUL_SIM_LOG";

/// Prints from now on what is logged, if the environment asks for it.
pub(crate) fn start() {
    let Ok(level) = std::env::var(VARIABLE) else { return };
    let print = Print { lowest: level.parse().unwrap_or(Level::INFO) };
    // There is one already only if this was called before.
    let _set = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(print));
}

struct Print {
    lowest: Level,
}

impl<S: Subscriber> Layer<S> for Print {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let about = event.metadata();
        if *about.level() > self.lowest || !about.target().starts_with("agent") {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        println!("{:>10.3} s  {:<5} {}:{}", sim::elapsed().as_secs_f64(), about.level(), about.target(), text.0);
    }
}

/// The fields of an event, one after the other.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A string takes everything.
        let _written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
