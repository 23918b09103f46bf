//! The provisioner's log, line by line: JSON by zap (and by the Azure SDK's logger), plain text when it panics or does
//! not understand its command line.

use serde_json::{Map, Value};

use crate::history::Event;

/// Reads lines in their order, because a panic's message may take several.
#[derive(Debug, Default)]
pub(super) struct LogReader {
    panic: Panic,
}

#[derive(Debug, Default)]
enum Panic {
    /// There is none.
    #[default]
    None,
    /// Its message, so far.
    Message(String),
    /// Its stack, which is in the log file for whoever needs it.
    Stack,
}

/// Fields that say how a line was written, not what happened.
const FORM: &[&str] = &["time", "level", "message", "msg", "logger", "controller", "caller", "commit"];

impl LogReader {
    /// What is known with this line: nothing, what it says, or first the panic that ended before it.
    pub(super) fn read(&mut self, line: &str) -> Vec<Event> {
        let line = line.trim_end();
        if let Ok(fields) = serde_json::from_str::<Map<String, Value>>(line) {
            return self.finish().into_iter().chain([structured(fields)]).collect();
        }
        if ["panic: ", "fatal error: "].iter().any(|start| line.starts_with(start)) {
            let before = self.finish();
            self.panic = Panic::Message(line.to_owned());
            return before.into_iter().collect();
        }
        match &mut self.panic {
            Panic::None if line.is_empty() => Vec::new(),
            Panic::None => vec![event("info", String::new(), line.to_owned(), Map::new())],
            Panic::Message(_) if line.starts_with("goroutine ") => {
                let done = self.finish();
                self.panic = Panic::Stack;
                done.into_iter().collect()
            }
            Panic::Message(message) => {
                if !line.is_empty() {
                    *message += &format!("\n{line}");
                }
                Vec::new()
            }
            Panic::Stack => Vec::new(),
        }
    }

    /// The panic that was being read, at the end of the log.
    pub(super) fn finish(&mut self) -> Option<Event> {
        match std::mem::take(&mut self.panic) {
            Panic::Message(message) => Some(event("panic", String::new(), message, Map::new())),
            Panic::None | Panic::Stack => None,
        }
    }
}

fn event(level: &str, controller: String, message: String, fields: Map<String, Value>) -> Event {
    Event::Provisioner { level: level.into(), controller, message, fields: Box::new(Value::Object(fields)) }
}

fn structured(mut fields: Map<String, Value>) -> Event {
    if fields.get("source").is_some_and(|source| source == "ApiRequestLog") {
        // Versions that cannot leave it log each ARM call, and as an error also the "not found" that they look for.
        let message = fields.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        fields.retain(|name, _| ["url", "code", "error", "time_ms"].contains(&name.as_str()));
        return event("debug", "azure-sdk".into(), message, fields);
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let level = text("level").map(|level| level.to_lowercase()).unwrap_or_default();
    let message = text("message").or_else(|| text("msg")).unwrap_or_default();
    let controller = text("controller").or_else(|| text("logger")).unwrap_or_default();
    let level = match level.as_str() {
        "" => "info",
        "warning" => "warn",
        "dpanic" | "fatal" => "panic",
        other => other,
    };
    fields.retain(|name, _| !FORM.contains(&name.as_str()));
    event(level, controller, message, fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_become_events() {
        let log = r#"{"level":"INFO","time":"2026-11-21T07:00:00.000Z","logger":"controller","caller":"a/b.go:1","message":"waiting for required CRDs to be available","commit":"abc","timeout":"2m0s"}
{"level":"ERROR","time":"2026-11-21T07:00:01.000Z","logger":"controller","message":"Reconciler error","controller":"nodeclass.status","controllerGroup":"karpenter.azure.com","AKSNodeClass":{"name":"default"},"error":"resource not found"}
{"time":"2026-11-21T07:00:01Z","level":"WARN","msg":"a plain slog line","a":1}
{"time":"2026-11-21T07:00:01Z","level":"ERROR","msg":"finished call","source":"ApiRequestLog","protocol":"REST","time_ms":1,"method":"GET virtualmachines - READ","url":"https://127.0.0.1/x","error":"404 Not Found","code":404}
flag provided but not defined: -kubeconfig

panic: getting VNET GUID: GET https://127.0.0.1/subscriptions/s
--------------------------------------------------------------------------------
RESPONSE 403: 403 Forbidden

goroutine 1 [running]:
github.com/samber/lo.must(...)
	/x/errors.go:53
{"level":"DEBUG","message":"and on"}
"#;
        let mut reader = LogReader::default();
        let events: Vec<Event> = log.lines().flat_map(|line| reader.read(line)).collect();
        insta::assert_json_snapshot!(events);
    }

    #[test]
    fn a_panic_at_the_very_end_is_not_lost() {
        let mut reader = LogReader::default();
        assert!(reader.read("panic: subscription ID not set").is_empty());
        let Some(Event::Provisioner { level, message, .. }) = reader.finish() else { panic!("nothing") };
        assert_eq!((level.as_str(), message.as_str()), ("panic", "panic: subscription ID not set"));
        assert!(reader.finish().is_none());
    }

    proptest! {
        #[test]
        fn reading_never_panics(lines in proptest::collection::vec("\\PC{0,60}", 0..5)) {
            let mut reader = LogReader::default();
            for line in lines {
                let _ = reader.read(&line);
            }
        }
    }
}
