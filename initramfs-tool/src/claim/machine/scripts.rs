//! The operations of a claim and of an isolation, in their order.

use super::Function;
use crate::claim::{Attribute, DmaIsolation, Memory, NOBODY, Operation, Verb};

/// The operations of a claim, for functions of which it is known which driver has them.
pub(super) fn claiming(functions: &[Function]) -> Vec<Operation> {
    let mut script = Vec::new();
    let mut each = |verbs: &dyn Fn(&Function) -> Vec<Verb>| {
        script.extend(functions.iter().flat_map(|function| {
            let operation = |verb| Operation {
                function: function.address,
                verb,
            };
            verbs(function).into_iter().map(operation)
        }));
    };
    let write = |attribute: Attribute, value: &str| {
        let value = value.to_owned();
        vec![Verb::Write { attribute, value }]
    };
    each(&|function| write(Attribute::DriverOverride, &function.vfio));
    each(&|_| write(Attribute::D3coldAllowed, "0"));
    // Who draws in a GPU's memory lets go first: vfio-pci sees to that only on VGA-compatible functions.
    each(&|function| {
        let framebuffers = function.framebuffers.iter().cloned();
        framebuffers.map(Verb::ReleaseFramebuffer).collect()
    });
    each(&|function| {
        let driver = function.driver.clone().filter(|driver| *driver != function.vfio);
        driver.map(|driver| Verb::Unbind { driver }).into_iter().collect()
    });
    each(&|function| {
        let driver = function.vfio.clone();
        match function.driver.as_ref() == Some(&driver) {
            true => Vec::new(),
            false => vec![Verb::Bind { driver }],
        }
    });
    each(&|_| vec![Verb::ReadDriver]);
    // Who stays there keeps a VM from it, and vfio-pci says so only when that opens it.
    each(&|function| match function.memory {
        Memory::Free => Vec::new(),
        Memory::Occupied => vec![Verb::ReadMemory],
    });
    each(&|function| match function.isolation {
        DmaIsolation::Known => Vec::new(),
        DmaIsolation::Awaited => vec![Verb::ReadIommu],
    });
    each(&|_| write(Attribute::PowerControl, "on"));
    each(&|_| vec![Verb::ReadPower]);
    script
}

/// The operations of an isolation. The override first: whoever is off its driver is not to find another one.
pub(super) fn isolating(functions: &[Function]) -> Vec<Operation> {
    let overrides = functions.iter().map(|function| Operation {
        function: function.address,
        verb: Verb::Write {
            attribute: Attribute::DriverOverride,
            value: NOBODY.to_owned(),
        },
    });
    let unbinds = functions.iter().filter_map(|function| {
        Some(Operation {
            function: function.address,
            verb: Verb::Unbind {
                driver: function.driver.clone()?,
            },
        })
    });
    let readings = functions.iter().map(|function| Operation {
        function: function.address,
        verb: Verb::ReadDriver,
    });
    overrides.chain(unbinds).chain(readings).collect()
}
