//! What may differ between `lspci` and ours, each with its reason, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why the two may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Ours gives no value of a register that reads all-ones, `lspci` decodes the ones.
    AllOnes,
    /// Ours does not read a capability past the next one's beginning, `lspci` does.
    BeyondBound,
    /// Ours has no link registers of a port whose type is reserved, `lspci` takes them for granted.
    UnknownPort,
    /// `lspci` follows a pointer into the header or, from an extended capability, into the first 256 bytes.
    PointerOutside,
    /// `lspci` stops at ID ff, ours only at a header that is all-ones; what ours has beyond, `lspci` does not see.
    IdFf,
    /// `lspci` does not print an extended header that is all zeros; ours is a null capability with the last link.
    ZeroHeader,
    /// `lspci` looks for extended capabilities of every PCI-X function, ours only of one in mode 2.
    PciXMode1,
    /// `lspci` finds a PCI Express capability past the place where ours ends the standard list.
    ListEndsEarlier,
    /// `lspci` takes the port type for AER from the last PCI Express capability, ours from the first.
    SeveralExpress,
    /// Ours has no register for the bridge control of a `CardBus` bridge.
    CardBusControl,
    /// `lspci` takes the upper half of a 64-bit BAR whose lower half has no address for a BAR of its own.
    UpperHalf,
    /// Ours has no address in a BAR of a reserved type, `lspci` takes it for one of 32 bits.
    ReservedBar,
    /// `lspci` calls it by a name that the table of names does not have.
    UnknownName,
    /// The same address comes twice in a file: which of the two `lspci` prints first is its own affair.
    SameAddress,
    /// A function without a title or with a title that `lspci` does not take for one.
    TitleUnknownToLspci,
}

/// What a comparison came to.
#[derive(Default)]
pub(crate) struct Tally {
    /// Functions that both have.
    pub(crate) functions: usize,
    /// Capabilities that both have.
    pub(crate) capabilities: usize,
    /// Fields that both have.
    pub(crate) fields: usize,
    /// How often each row of the table was compared.
    pub(crate) rows: BTreeMap<usize, usize>,
    /// Differences that have a reason.
    pub(crate) explained: BTreeMap<Reason, usize>,
    /// Names of capabilities that the table of names does not have.
    pub(crate) unknown_names: BTreeSet<String>,
    /// Differences that have none.
    pub(crate) differences: Vec<String>,
}

impl Tally {
    pub(crate) fn explain(&mut self, reason: Reason) {
        *self.explained.entry(reason).or_default() += 1;
    }

    pub(crate) fn differs(&mut self, difference: String) {
        self.differences.push(difference);
    }

    /// Compares one thing outside of the table.
    pub(crate) fn same<T: PartialEq + fmt::Debug>(&mut self, what: fmt::Arguments<'_>, ours: &T, theirs: &T) {
        self.fields += 1;
        if ours != theirs {
            self.differs(format!("{what}: ours {ours:?}, lspci's {theirs:?}"));
        }
    }

    /// Fails where anything differs without a reason.
    pub(crate) fn assert_equal(&self) {
        let shown: Vec<&str> = self.differences.iter().take(30).map(String::as_str).collect();
        let number = self.differences.len();
        assert!(number == 0, "{number} differences:\n{}", shown.join("\n"));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            functions,
            capabilities,
            fields,
            ..
        } = self;
        write!(
            f,
            "{functions} functions, {capabilities} capabilities, {fields} fields equal; explained:"
        )?;
        for (reason, number) in &self.explained {
            write!(f, " {reason:?} {number}")?;
        }
        self.unknown_names
            .iter()
            .try_for_each(|name| write!(f, "\n  unknown name: {name}"))
    }
}
