//! The control socket's refusals, and what stands in the access log.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use crate::support::{BAR0, Bench, CONFIG, Outcome, program};
use fake_gpu::clock::Timestamp;
use fake_gpu::control::{Command, ConfigDelay, Fault, Power, Reset, Until};
use fake_gpu::files;
use fake_gpu::log::{Access, Direction, Event, Record, Region};
use fake_gpu::process::{FakeError, FakeGpu};
use fake_gpu::profile::{BoardDesign, Vendor};

/// The error line for a raw request.
fn refusal(bench: &Bench, line: &str) -> Outcome<String> {
    let reply: serde_json::Value = serde_json::from_str(&bench.fake.exchange(line)?)?;
    assert_eq!(reply["ok"], false, "{reply}");
    Ok(reply["error"].as_str().ok_or("no error text")?.to_owned())
}

#[test]
fn a_refusal_names_what_is_wrong() -> Outcome<()> {
    let bench = Bench::nvidia(2)?;
    let error = refusal(&bench, r#"{"command":"flee"}"#)?;
    assert!(error.contains("unknown variant `flee`"), "{error}");
    let error = refusal(&bench, "not json")?;
    assert!(error.contains("request `not json`"), "{error}");
    let error = refusal(&bench, r#"{"command":"state","function":2}"#)?;
    assert_eq!(error, "function 2: the board has 2");
    let error = refusal(&bench, r#"{"command":{"power":"off"},"function":0}"#)?;
    assert_eq!(error, "power is the whole board's: leave out function 0");
    let error = refusal(&bench, r#"{"command":{"config_delay":{"ms":4001}}}"#)?;
    assert_eq!(error, "config_delay of 4001 ms: the longest is 4000 ms");
    let error = refusal(&bench, r#"{"command":{"mark":"a\nb"}}"#)?;
    assert_eq!(error, "a mark is one line");
    Ok(())
}

#[test]
fn a_refused_delay_is_not_half_done() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let delay = ConfigDelay {
        ms: 60_000,
        reads: None,
    };
    let refused = bench.fake.control(&Command::ConfigDelay(delay));
    assert!(matches!(refused, Err(FakeError::Refused(_))));
    // Would take a minute if it had been taken.
    assert_eq!(bench.connect(0)?.identity()?, 0x2489_10de);
    Ok(())
}

#[test]
fn one_connection_goes_on_after_a_refusal() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let socket = files::control_socket(bench.directory.path());
    let mut connection = UnixStream::connect(socket)?;
    connection.write_all(b"{\n{\"command\":{\"flr\":\"ignore\"}}\n")?;
    let mut lines = BufReader::new(connection).lines();
    let mut next = || lines.next().ok_or("no answer");
    assert!(next()??.starts_with(r#"{"ok":false,"error":"request `{`"#));
    assert_eq!(next()??, r#"{"ok":true}"#);
    Ok(())
}

#[test]
fn the_log_has_each_access_in_order_with_its_value() -> Outcome<()> {
    let bench = Bench::nvidia(2)?;
    let mut machine = bench.connect(1)?;
    let before = Timestamp::now();
    bench.fake.control(&Command::Mark("start here".to_owned()))?;
    machine.read_dword(CONFIG, 0)?;
    machine.write_word(4, 0x0002)?;
    machine.read_dword(BAR0, 0x10)?;
    let after = Timestamp::now();

    let entries = bench.fake.entries()?;
    let mark = Record::Event(Event::Mark("start here".to_owned()));
    let from = entries.iter().position(|entry| entry.record == mark);
    let since = &entries[from.ok_or("no mark")?..];
    assert_eq!(since[0].function, None);
    let access = |direction, region, offset, length, value| {
        Record::Access(Access {
            direction,
            region,
            offset,
            length,
            value: Some(value),
        })
    };
    let records: Vec<_> = since[1..].iter().map(|entry| entry.record.clone()).collect();
    assert_eq!(
        records,
        [
            access(Direction::Read, Region::Config, 0, 4, 0x1aef_10de),
            access(Direction::Write, Region::Config, 4, 2, 0x0002),
            access(Direction::Read, Region::Bar(0), 0x10, 4, 0),
        ]
    );
    assert!(since[1..].iter().all(|entry| entry.function == Some(1)));
    let times: Vec<_> = since.iter().map(|entry| entry.at).collect();
    assert!(times.is_sorted());
    assert!(times.iter().all(|at| (before..=after).contains(at)));
    Ok(())
}

#[test]
fn the_log_tells_the_story_of_a_function() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    machine.0.reset()?;
    bench.fake.control(&Command::Flr(Reset::Ignore))?;
    machine.flr()?;
    bench.fake.control(&Command::Die(Fault { until: Until::Sbr }))?;
    bench.fake.control(&Command::Power(Power::Off))?;
    assert!(bench.connect(0).is_err());
    bench.fake.control(&Command::Power(Power::On))?;

    let entries = bench.fake.entries()?;
    let events: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| match entry.record {
            Record::Event(event) => Some(event),
            Record::Access(_) => None,
        })
        .collect();
    assert_eq!(
        events,
        [
            Event::Connect,
            Event::Sbr,
            Event::Flr,
            Event::Die,
            Event::PowerOff,
            Event::Disconnect,
            Event::Refused,
            Event::PowerOn,
        ]
    );
    Ok(())
}

#[test]
fn a_socket_in_use_is_not_taken_over() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let design = BoardDesign::new(Vendor::Nvidia, 1);
    let second = FakeGpu::start(program(), bench.directory.path(), &design);
    assert!(matches!(second, Err(FakeError::EndedEarly)));
    assert_eq!(bench.connect(0)?.identity()?, 0x2489_10de);
    Ok(())
}

#[test]
fn a_path_too_long_for_a_socket_is_named() -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let deep = directory.path().join("d".repeat(100));
    fs::create_dir(&deep)?;
    let output = std::process::Command::new(program())
        .args(["--profile", "amd", "--directory"])
        .arg(&deep)
        .output()?;
    let error = String::from_utf8(output.stderr)?;
    assert!(!output.status.success());
    assert!(error.contains("function0.sock is longer than 107 bytes"), "{error}");
    Ok(())
}
