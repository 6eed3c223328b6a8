//! Known fields of known functions.

use serde_json::{Value, json};

use crate::command::{decode, fixture};

fn only_function(name: &str) -> Value {
    let output = decode(&fixture(name), &["--json"]);
    let mut json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema"], "reseat.decode/2");
    json["functions"][0].take()
}

/// The capability at `offset`.
fn at<'a>(function: &'a Value, list: &str, offset: u64) -> &'a Value {
    let capabilities = function[list]["capabilities"].as_array().unwrap();
    capabilities
        .iter()
        .find(|capability| capability["offset"] == offset)
        .unwrap()
}

fn offsets(function: &Value, list: &str) -> Vec<u64> {
    let capabilities = function[list]["capabilities"].as_array().unwrap();
    capabilities
        .iter()
        .map(|capability| capability["offset"].as_u64().unwrap())
        .collect()
}

#[test]
fn root_port_in_json() {
    let function = only_function("intel-skylake-root-port-2030.hex");
    let header = &function["header"];
    assert_eq!(header["layout"], "type-1");
    assert_eq!(
        (&header["identity"], &header["class"]),
        (&json!("8086:2030"), &json!("060400"))
    );
    assert_eq!(
        header["buses"],
        json!({"primary": 0xae, "secondary": 0xaf, "subordinate": 0xb4})
    );
    assert_eq!(header["registers"]["command"]["raw"], "0547");
    assert_eq!(
        header["registers"]["bridge_control"]["fields"]["secondary_bus_reset"],
        false
    );
    assert_eq!(offsets(&function, "standard"), [0x40, 0x60, 0x90, 0xe0]);
    let express = &at(&function, "standard", 0x90)["registers"];
    assert_eq!(express["capabilities"]["fields"]["device_port_type"], "root-port");
    assert_eq!(
        express["link_status"],
        json!({"raw": "3043", "fields": {
            "current_link_speed_gt_s": 8, "negotiated_link_width": 4, "link_training": false,
            "slot_clock_configuration": true, "data_link_layer_link_active": true,
            "link_bandwidth_management_status": false, "link_autonomous_bandwidth_status": false,
        }, "unreadable": null})
    );
    assert_eq!(
        express["root_control"]["fields"]["rrs_software_visibility_enable"],
        true
    );
    assert_eq!(express["slot_capabilities"]["fields"]["physical_slot_number"], 4);
    let acs = at(&function, "extended", 0x110);
    assert_eq!(
        (&acs["id"], &acs["version"], &acs["name"]),
        (&json!("000d"), &json!(1), &json!("Access Control Services"))
    );
    assert_eq!(
        acs["registers"]["capability"]["fields"]["acs_upstream_forwarding"],
        true
    );
    let aer = &at(&function, "extended", 0x148)["registers"];
    assert_eq!(aer["uncorrectable_mask"]["raw"], "00310000");
    assert_eq!(aer["uncorrectable_mask"]["fields"]["unexpected_completion"], true);
    let missing = json!({
        "raw": null,
        "fields": null,
        "unreadable": {"kind": "not-in-dump", "offset": 0x174, "relative_offset": null, "length": null},
    });
    assert_eq!(
        aer["root_command"], missing,
        "a port's, and no row of the fixture has it"
    );
}

#[test]
fn gpu_in_json() {
    let function = only_function("nvidia-rtx-3060-ti-2489.hex");
    assert_eq!(function["title"], Value::Null, "rows alone");
    assert_eq!(function["header"]["subsystem"], "1458:4077");
    assert_eq!(
        function["header"]["bars"][0],
        json!({"index": 0, "kind": "memory32", "value": "84000000", "prefetchable": false})
    );
    let power = &at(&function, "standard", 0x60)["registers"]["control_status"]["fields"];
    assert_eq!(
        (&power["power_state"], &power["no_soft_reset"]),
        (&json!("d0"), &json!(true))
    );
    let link = &at(&function, "standard", 0x78)["registers"]["link_capabilities_2"]["fields"];
    assert_eq!(link["supported_link_speeds_vector_gt_s"], json!([2.5, 5, 8, 16]));
    assert_eq!(
        at(&function, "standard", 0x68)["registers"],
        json!({}),
        "located, and no more"
    );
    assert_eq!(function["standard"]["end"]["kind"], "complete");
    assert_eq!(
        offsets(&function, "extended"),
        [0x100, 0x258, 0x128, 0x420, 0x600, 0x900, 0xbb0, 0xc1c, 0xd00, 0xe00]
    );
    let aer = &at(&function, "extended", 0x420)["registers"];
    assert_eq!(aer["uncorrectable_severity"]["raw"], "00462030");
    assert_eq!(
        aer["uncorrectable_severity"]["fields"]["uncorrectable_internal_error"],
        true
    );
    assert_eq!(aer["root_command"], Value::Null, "of ports only");
    let bars = &at(&function, "extended", 0xbb0)["registers"];
    assert_eq!(bars["bar_1"]["fields"]["bar_size_bytes"], 8_u64 << 30);
    assert_eq!(bars["bar_1"]["fields"]["sizes_bytes"].as_array().unwrap().len(), 8);
    assert_eq!(bars["bar_3"], Value::Null);
    let vendor_specific = &at(&function, "extended", 0x600)["registers"]["header"]["fields"];
    assert_eq!(
        *vendor_specific,
        json!({"vsec_id": "0001", "vsec_rev": 1, "vsec_length": 36})
    );
}

#[test]
fn text_for_people() {
    let output = decode(&fixture("nvidia-rtx-3060-ti-2489.hex"), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "  10de:2489 class 030000 revision a1, type 0, multi-function, ",
        "  BAR 0: memory32 84000000\n",
        "  standard capabilities: complete\n  [60] 01 PCI Power Management\n",
        "      control_status 0008: power_state=D0 no_soft_reset+ pme_enable- data_select=0 data_scale=0 pme_status-\n",
        "  [68] 05 MSI (00817805)\n",
        "  [420] 0001 v2 Advanced Error Reporting\n",
        "      bar_1 00000d010003fc00: index=1 bar_size=8 GB\n          sizes=64 MB, 128 MB, ",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
}
