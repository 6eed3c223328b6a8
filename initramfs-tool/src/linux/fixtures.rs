//! Configuration spaces for tests, from the files in `fixtures/`. The tests of the programs include this file as well.

/// A GPU in D0.
pub(crate) const IN_D0: &str = include_str!("fixtures/gpu-in-d0.hex");
/// The same in D3hot.
pub(crate) const IN_D3HOT: &str = include_str!("fixtures/gpu-in-d3hot.hex");
/// One whose capability list leads to itself.
pub(crate) const WITH_A_CYCLE: &str = include_str!("fixtures/gpu-with-a-cycle.hex");

/// The 256 bytes of a fixture.
pub(crate) fn config_space(fixture: &str) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    for row in fixture.lines().filter(|line| !line.starts_with('#')) {
        let (offset, row) = row.split_once(": ").unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (byte, text) in bytes[offset..].iter_mut().zip(row.split(' ')) {
            *byte = u8::from_str_radix(text, 16).unwrap();
        }
    }
    bytes
}
