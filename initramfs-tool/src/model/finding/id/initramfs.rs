//! Findings of `reseat initramfs`.

super::findings! {
    ids {}
    ways {}
}
