//! Who is where, who is reset with whom, and which reset is to be had.
//!
//! A [`Topology`] is made of a machine's functions, once, in one pass per question: which bridge
//! is above, which virtual functions belong to whom, who shares a fabric. It judges what it is
//! given and asks nobody. What was not given is not known, and what is not known is never taken
//! for a yes.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`function`] | what is known of a function beforehand |
//! | [`anomaly`] | what in a set of functions does not fit together |
//! | [`method`] | the ways to reset a function, and why one is not to be had |
//! | [`domain`] | who is hit by a reset |
//! | [`warning`] | what is only reported of a function |
//!
//! # Cost
//!
//! Making a topology takes time in proportion to the functions, but for a binary search each for
//! virtual functions and peers. Every question about a function takes a binary search at most;
//! only walking through a domain takes as long as the domain is.
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

/// The functions of a machine, and how they hang together.
#[derive(Clone, Copy, Debug)]
pub struct Topology<'t> {
    functions: &'t [Function],
    nodes: &'t [Node],
    /// The vendor of a switch that joins functions of the same vendor.
    fabric_switch: Option<u16>,
}

impl<'t> Topology<'t> {
    /// Finds out how functions hang together.
    ///
    /// `functions` are in ascending order of their addresses; `room` holds at least as many
    /// [`Node`]s, whatever was in them. What does not fit together is no error: it is a
    /// [doubt](Place::doubt) at each place that it concerns, and nothing below it is ever exclusive.
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

    /// The function at an address. A binary search.
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

/// Where the function at an address is in a slice in ascending order.
fn find(functions: &[Function], address: FunctionAddress) -> Option<usize> {
    functions
        .binary_search_by_key(&address, |function| function.address)
        .ok()
}

/// Room for what a [`Topology`] finds out about one function.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The bridge directly above.
    above: Link,
    /// Of a physical function: the first of its virtual functions.
    virtual_functions: Link,
    /// Of a virtual function: the next one of the same physical function.
    next_virtual_function: Link,
    /// Of who is on a fabric: the function by which its members are named.
    fabric: Link,
    /// Of the function by which a fabric's members are named: the first member.
    members: Link,
    /// Of a member: the next one.
    next_member: Link,
    /// The first function, from this one on, that a quirk forbids a bus reset.
    no_bus_reset: Link,
    /// This function or the first one above it with an anomaly.
    doubt: Link,
    anomaly: Option<Anomaly>,
}

impl Node {
    /// A node of which nothing has been found out.
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

/// The reason why functions make no topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TopologyError {
    /// Two functions have this address.
    Duplicate(FunctionAddress),
    /// This function stands after one with a higher address.
    Unsorted(FunctionAddress),
    /// There is less room than functions.
    NoRoom {
        /// How many nodes it takes.
        needed: usize,
    },
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(address) => write!(f, "{address} is there twice"),
            Self::Unsorted(address) => write!(f, "{address} stands after a higher address"),
            Self::NoRoom { needed } => write!(f, "no room for {needed} functions"),
        }
    }
}

impl core::error::Error for TopologyError {}
