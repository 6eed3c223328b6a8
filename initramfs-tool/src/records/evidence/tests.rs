use reseat_core::config::{Offset, ReadableSize};
use reseat_core::presence::Readiness;
use reseat_core::snapshot::{Full, Register};

use super::*;
use crate::decode;
use crate::model::finding::id;

const BUNDLE: &str = include_str!("bundle-2.json");
/// The same, as version 1 wrote it.
const FORMER: &str = include_str!("bundle-1.json");

/// A GPU that was off the bus, recovered in a virtual machine; shortened.
pub(crate) fn fixture() -> Bundle {
    Bundle::parse(BUNDLE.as_bytes()).unwrap()
}

#[test]
fn the_form_of_a_bundle_is_frozen() {
    let found: Value = serde_json::from_str(BUNDLE).unwrap();
    assert_eq!(serde_json::to_value(fixture()).unwrap(), found);
}

#[test]
fn version_1_is_read() {
    let former = Bundle::parse(FORMER.as_bytes()).unwrap();
    let mut expected = fixture();
    assert_eq!(
        former.end,
        Some(BundleEnd::Text("recovered by detach-SBR, verified".to_owned()))
    );
    let texts: Vec<Option<&str>> = former.events.iter().map(|event| event.text.as_deref()).collect();
    assert_eq!(texts.last(), Some(&Some("detach-SBR: verified")));
    // What a function answered was a sentence.
    for function in expected.moments.iter_mut().flat_map(|moment| &mut moment.functions) {
        if let Some(SpaceDump { state, .. }) = &mut function.space {
            let SpaceState::Read(readiness) = *state else {
                panic!("{state:?}")
            };
            *state = SpaceState::Text(readiness.to_string());
        }
    }
    assert_eq!(
        (former.device, former.begun, former.moments),
        (expected.device, expected.begun, expected.moments)
    );
    let other = FORMER.replace("evidence/1", "evidence/3");
    assert!(matches!(
        Bundle::parse(other.as_bytes()),
        Err(VersionError::Schema { .. })
    ));
}

#[test]
fn a_space_as_rows_is_the_same_snapshot_again() {
    let address = "0000:01:00.0".parse().unwrap();
    let mut snapshot = Full::new(address, ReadableSize::Extended);
    let registers = [
        (0x000, Register::Value(0x2489_10de)),
        (0x004, Register::Value(0x0010_0407)),
        (0x00c, Register::AllOnes),
        (0x010, Register::Failed),
        (0x014, Register::Value(0)),
        (0x100, Register::Value(0x2581_0002)),
        (0xffc, Register::Value(1)),
    ];
    for (at, register) in registers {
        snapshot.add(Offset::new(at).unwrap(), register).unwrap();
    }
    let space = SpaceDump::of(Readiness::Absent, &snapshot);
    assert_eq!(
        space.hex,
        "00: de 10 89 24 07 04 10 00\n0c: ff ff ff ff\n14: 00 00 00 00\n100: 02 00 81 25\nffc: 01 00 00 00\n"
    );
    let left_out = space.left_out.iter().map(|range| (range.first, range.last));
    let left_out: Vec<(u16, u16)> = left_out.collect();
    assert_eq!(left_out, [(0x008, 0x00b), (0x018, 0x0ff), (0x104, 0xffb)]);
    assert_eq!(space.failed, [Offset::new(0x10).unwrap()]);
    assert_eq!(space.snapshot(address), Some(snapshot));
}

#[test]
fn a_function_as_rows_is_what_decode_reads() {
    let bundle = fixture();
    let function = &bundle.moments[1].functions[1];
    let text = hex_of(function.address, "after", function.space.as_ref().unwrap());
    let decoded = decode::decode("-".as_ref(), text.as_bytes());
    let [problem] = &decoded.problems[..] else {
        panic!("{:?}", decoded.problems);
    };
    // The bundle leaves registers out, and the decoder names them.
    let missing = problem.finding("-".as_ref(), true);
    assert_eq!(missing.evidence.get("missing"), Some("0x040 to 0x05f, 0x0a0 to 0x0ff"));
    assert!(
        decoded.functions[0].to_string().contains("PCI Express"),
        "{}",
        decoded.functions[0]
    );
}

#[test]
fn parts_make_up_a_moment() {
    let bundle = fixture();
    let whole = &bundle.moments[1];
    let mut moment = Moment::new(whole.when, whole.after_ms);
    let mut remembered = whole.functions.clone();
    for function in &mut remembered {
        function.space = None;
        function.attributes.retain(|name, _| name != "driver_override");
    }
    moment.add(Collected {
        functions: remembered,
        ..Collected::default()
    });
    for function in &whole.functions {
        let mut locked = function.clone();
        locked.attributes.retain(|name, _| name == "driver_override");
        moment.add(Collected {
            functions: vec![locked],
            users: whole.users.clone(),
            not_read: Vec::new(),
        });
    }
    assert_eq!(moment.functions, whole.functions);
    assert_eq!(moment.users, whole.users);
}

#[test]
fn a_bundle_keeps_within_its_bound_and_names_what_it_lost() {
    let mut bundle = fixture();
    let whole = encode(bundle.clone(), LARGEST).unwrap();
    assert_eq!(Bundle::parse(&whole).unwrap(), bundle);
    let between = bundle.moments[1].clone();
    bundle.moments.insert(1, between);
    let cut = |largest| -> Bundle { Bundle::parse(&encode(bundle.clone(), largest).unwrap()).unwrap() };
    let first = cut(whole.len() + 400);
    let left_out = &first.left_out[0];
    assert_eq!(
        (&left_out.id, left_out.evidence.get("when")),
        (&id::MOMENT_LEFT_OUT, Some("after detach-SBR"))
    );
    assert_eq!(first.moments.len(), 2);
    for largest in [whole.len() - 50, whole.len() / 2, whole.len() * 2 / 5] {
        let text = encode(bundle.clone(), largest).unwrap();
        assert!(text.len() <= largest, "{largest}: {}", text.len());
        let cut: Bundle = Bundle::parse(&text).unwrap();
        assert_eq!((&cut.end, &cut.subject), (&bundle.end, &bundle.subject));
    }
    assert!(cut(0).moments.is_empty() && cut(0).events.is_empty());
}
