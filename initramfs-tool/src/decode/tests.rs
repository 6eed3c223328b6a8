use super::*;

const GPU: &str = "\
00: de 10 89 24 07 04 10 00 a1 00 00 03 10 00 80 00
10: 00 00 00 84 0c 00 00 00 00 00 00 00 0c 00 00 00
20: 00 00 00 00 01 00 00 00 00 00 00 00 58 14 77 40
30: 00 00 00 00 60 00 00 00 00 00 00 00 ff 01 00 00
";

fn names(file: &str, bytes: &[u8]) -> Vec<String> {
    let functions = decode(file.as_ref(), bytes).functions.into_iter();
    functions.map(|function| function.name).collect()
}

fn binary() -> Vec<u8> {
    let bytes = GPU.lines().flat_map(|row| row[4..].split(' '));
    bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn a_function_without_an_address_is_named_after_its_file() {
    let two = format!("{GPU}\n02:00.0 VGA\n{GPU}\n{GPU}");
    assert_eq!(
        names("a/dump.txt", two.as_bytes()),
        ["function 1 of a/dump.txt", "0000:02:00.0", "function 3 of a/dump.txt"]
    );
    assert_eq!(names("-", GPU.as_bytes()), ["function 1 of standard input"]);
    assert_eq!(names("gpu.bin", &binary()), ["gpu.bin"]);
    assert_eq!(
        names("/sys/bus/pci/devices/0000:03:00.0/config", &binary()),
        ["0000:03:00.0"]
    );
}

#[test]
fn a_log_with_a_nul_is_a_text() {
    let log = format!("[    0.1] \0 boot\n[    0.2] 0000:01:00.0: config space:\n{GPU}");
    assert_eq!(names("log", log.as_bytes()), ["0000:01:00.0"]);
}

#[test]
fn binary_data_of_another_kind_is_no_function() {
    let decoded = decode("x".as_ref(), b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0");
    assert!(decoded.functions.is_empty());
    let bytes = 20;
    let fault = DecodeFault::Text(hex::DumpFault::NotConfigurationFile { bytes });
    assert_eq!(decoded.problems, [DecodeProblem { line: 1, fault }]);
}
