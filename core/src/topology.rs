//! The tree of functions, the functions that a reset affects, and the available resets.
//!
//! A [`Topology`] is built once from a machine's functions, in one pass for each question: the bridge above, the
//! virtual functions of each physical one, the members of a fabric. It judges only its input and performs no reads.
//! Missing input is unknown, and the unknown never permits.
//!
//! | module | content |
//! | --- | --- |
//! | [`function`] | the facts about a function |
//! | [`anomaly`] | inconsistencies in a set of functions |
//! | [`method`] | the reset methods, and the reasons why one is unavailable |
//! | [`domain`] | the functions that a reset affects |
//! | [`warning`] | properties of a function that are only reported |
//!
//! # Cost
//!
//! Building a topology takes linear time, plus a binary search for each virtual function and peer. A question about one
//! function takes at most a binary search. Only iterating over a domain takes as long as the domain is large.
//!
//! # Example
//!
//! A GPU with two functions behind a root port:
//!
//! ```
//! use reseat_core::header::BusNumbers;
//! use reseat_core::topology::function::{Bridge, Fact, Function, Role};
//! use reseat_core::topology::method::{Method, ResetUnavailable};
//! use reseat_core::topology::{Node, Topology};
//!
//! let mut port = Function::new("00:01.0".parse()?, "8086:352a".parse()?, "060400".parse()?);
//! port.role = Role::Bridge(Bridge::new(BusNumbers { primary: 0, secondary: 1, subordinate: 1 }));
//! let mut gpu = Function::new("01:00.0".parse()?, "10de:2489".parse()?, "030000".parse()?);
//! gpu.role = Role::Endpoint;
//! gpu.flr = Fact::No;
//! let mut audio = Function::new("01:00.1".parse()?, "10de:228b".parse()?, "040300".parse()?);
//! audio.role = Role::Endpoint;
//!
//! let functions = [port, gpu, audio];
//! let mut nodes = [Node::EMPTY; 3];
//! let topology = Topology::new(&functions, &mut nodes)?;
//! let gpu = topology.find(gpu.address).ok_or("the GPU is among them")?;
//! assert_eq!(gpu.card_root().map(|port| port.function().address), Some(port.address));
//! assert_eq!(gpu.reset(Method::Flr).err(), Some(ResetUnavailable::NotOffered));
//! assert_eq!(gpu.reset(Method::Bus).err(), Some(ResetUnavailable::Sibling(audio.address)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod anomaly;
mod build;
pub mod domain;
mod fabric;
pub mod function;
pub mod method;
mod place;
mod reset;
pub mod warning;

use core::fmt;
use core::ops::Range;

use self::anomaly::Anomaly;
pub use self::fabric::{Connector, Fabric};
use self::function::Function;
pub use self::place::Place;
use crate::address::FunctionAddress;

/// The functions of a machine and their relations.
#[derive(Clone, Copy, Debug)]
pub struct Topology<'t> {
    functions: &'t [Function],
    nodes: &'t [Node],
    /// The vendor of a switch that joins functions of the same vendor.
    fabric_switch: Option<u16>,
}

impl<'t> Topology<'t> {
    /// Builds the topology.
    ///
    /// `functions` are in ascending order of their addresses; `room` has at least as many [`Node`]s, with any content.
    /// An inconsistency is not an error: it becomes a [doubt](Place::doubt) at each place that it concerns, and nothing
    /// below it is ever exclusive.
    ///
    /// # Errors
    ///
    /// [`TopologyError`].
    pub fn new(functions: &'t [Function], room: &'t mut [Node]) -> Result<Self, TopologyError> {
        for (before, after) in functions.iter().zip(functions.iter().skip(1)) {
            if before.address == after.address {
                return Err(TopologyError::Duplicate(after.address));
            }
            if before.address > after.address {
                return Err(TopologyError::Unsorted(after.address));
            }
        }
        let needed = functions.len();
        let nodes = match u32::try_from(needed) {
            Ok(count) if count < u32::MAX => room.get_mut(..needed),
            Ok(_) | Err(_) => None,
        };
        let nodes = nodes.ok_or(TopologyError::NoRoom { needed })?;
        build::link(functions, nodes);
        Ok(Self {
            functions,
            nodes,
            fabric_switch: fabric::switch_vendor(functions),
        })
    }

    /// Returns the function at an address. A binary search.
    pub fn find(self, address: FunctionAddress) -> Option<Place<'t>> {
        self.place(find(self.functions, address)?)
    }

    /// All functions, in ascending order.
    pub fn places(self) -> impl DoubleEndedIterator<Item = Place<'t>> + ExactSizeIterator {
        self.between(0..self.functions.len())
    }

    fn place(self, index: usize) -> Option<Place<'t>> {
        Some(Place {
            topology: self,
            function: self.functions.get(index)?,
            node: self.nodes.get(index)?,
            index,
        })
    }

    fn follow(self, link: Link) -> Option<Place<'t>> {
        self.place(link.get()?)
    }

    fn between(self, range: Range<usize>) -> impl DoubleEndedIterator<Item = Place<'t>> + ExactSizeIterator {
        let functions = self.functions.get(range.clone()).unwrap_or_default();
        let nodes = self.nodes.get(range.clone()).unwrap_or_default();
        let entries = functions.iter().zip(nodes).enumerate();
        entries.map(move |(offset, (function, node))| Place {
            topology: self,
            function,
            node,
            index: range.start.wrapping_add(offset),
        })
    }

    /// The functions on some buses of a segment.
    fn on_buses(self, segment: u32, first: u8, last: u8) -> Range<usize> {
        let place = |function: &Function| (function.address.segment(), function.address.bus());
        let start = self
            .functions
            .partition_point(|function| place(function) < (segment, first));
        let end = self
            .functions
            .partition_point(|function| place(function) <= (segment, last));
        start..end
    }
}

/// Returns the index of an address in a slice in ascending order.
fn find(functions: &[Function], address: FunctionAddress) -> Option<usize> {
    functions
        .binary_search_by_key(&address, |function| function.address)
        .ok()
}

/// The storage for a [`Topology`]'s facts about one function.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The bridge directly above.
    above: Link,
    /// The first virtual function of a physical function.
    virtual_functions: Link,
    /// The next virtual function of the same physical function.
    next_virtual_function: Link,
    /// The function that names the members of this function's fabric.
    fabric: Link,
    /// The first member of the fabric that this function names.
    members: Link,
    /// The next member of the fabric.
    next_member: Link,
    /// The first function, from this one on, for which a quirk forbids a bus reset.
    no_bus_reset: Link,
    /// The nearest function with an anomaly: this one or one above.
    doubt: Link,
    anomaly: Option<Anomaly>,
}

impl Node {
    /// A node without any facts.
    pub const EMPTY: Self = Self {
        above: Link::NONE,
        virtual_functions: Link::NONE,
        next_virtual_function: Link::NONE,
        fabric: Link::NONE,
        members: Link::NONE,
        next_member: Link::NONE,
        no_bus_reset: Link::NONE,
        doubt: Link::NONE,
        anomaly: None,
    };
}

/// The index of a function, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link(u32);

impl Link {
    const NONE: Self = Self(u32::MAX);

    fn to(index: usize) -> Self {
        u32::try_from(index).map_or(Self::NONE, Self)
    }

    fn get(self) -> Option<usize> {
        if self == Self::NONE {
            return None;
        }
        usize::try_from(self.0).ok()
    }

    fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// The reason why functions do not form a topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TopologyError {
    /// Two functions have this address.
    Duplicate(FunctionAddress),
    /// This function comes after one with a higher address.
    Unsorted(FunctionAddress),
    /// There are fewer nodes than functions.
    NoRoom {
        /// The required number of nodes.
        needed: usize,
    },
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(address) => write!(f, "{address} occurs twice"),
            Self::Unsorted(address) => write!(f, "{address} stands after a higher address"),
            Self::NoRoom { needed } => write!(f, "no room for {needed} functions"),
        }
    }
}

impl core::error::Error for TopologyError {}
