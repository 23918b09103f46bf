//! The functions of the vDSO: the shared object that the kernel puts into every process, the same in all of them.

use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use goblin::elf::sym::st_type;

use super::ClockError;
use super::code::Function;

/// `AT_SYSINFO_EHDR` of `linux/auxvec.h`: where the vDSO begins.
const SYSINFO_EHDR: u64 = 33;

/// Offset of `st_value` in an `Elf64_Sym`, and the size of one.
const ST_VALUE: u64 = 8;
const SYMBOL: u64 = 24;

/// What is to be known of the vDSO to lead its symbols elsewhere. Addresses are relative to where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Vdso {
    /// Functions that tell the time.
    pub(crate) functions: Vec<Entry>,
    /// What is subtracted from an address to get a symbol's value.
    pub(crate) bias: u64,
}

/// A symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) function: Function,
    /// Where the function begins.
    pub(crate) address: u64,
    /// Where the symbol's value is stored.
    pub(crate) slot: u64,
}

impl Vdso {
    /// This machine's.
    pub(crate) fn get() -> Result<&'static Self, ClockError> {
        static VDSO: OnceLock<Result<Vdso, ClockError>> = OnceLock::new();
        VDSO.get_or_init(|| Self::parse(&own_image()?)).as_ref().map_err(Clone::clone)
    }

    /// Reads an image. Symbols are found through `DT_HASH` or `DT_GNU_HASH`, whichever the image has.
    pub(crate) fn parse(image: &[u8]) -> Result<Self, ClockError> {
        let failed =
            |error: &dyn std::fmt::Display| ClockError::because(format!("the vDSO is not understood: {error}"));
        let elf = Elf::parse(image).map_err(|error| failed(&error))?;
        let first = elf.program_headers.iter().find(|header| header.p_type == PT_LOAD);
        let first = first.ok_or_else(|| failed(&"it has no loadable segment"))?;
        let bias = first.p_vaddr.wrapping_sub(first.p_offset);
        let table = elf.dynamic.as_ref().map(|dynamic| dynamic.info.symtab as u64);
        let table = table.filter(|&table| table != 0).ok_or_else(|| failed(&"it has no symbols"))?;
        let mut functions = Vec::new();
        for (index, symbol) in elf.dynsyms.iter().enumerate() {
            let name = elf.dynstrtab.get_at(symbol.st_name).unwrap_or_default();
            let named = Function::named(name).filter(|_| st_type(symbol.st_info) == goblin::elf::sym::STT_FUNC);
            if let Some(function) = named {
                let slot = table.wrapping_sub(bias) + index as u64 * SYMBOL + ST_VALUE;
                functions.push(Entry { function, address: symbol.st_value.wrapping_sub(bias), slot });
            }
        }
        if !functions.iter().any(|entry| entry.function == Function::ClockGettime) {
            return Err(failed(&"it has no clock_gettime"));
        }
        Ok(Self { functions, bias })
    }
}

/// The vDSO of this process, byte for byte.
fn own_image() -> Result<Vec<u8>, ClockError> {
    let base = base_of("self")?;
    let maps =
        std::fs::read_to_string("/proc/self/maps").map_err(|error| ClockError::refused("/proc/self/maps", error))?;
    let end = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(|line| {
        let (_, rest) = line.split_once('-')?;
        u64::from_str_radix(rest.split(' ').next()?, 16).ok()
    });
    let end = end.ok_or_else(|| ClockError::because("this kernel maps no vDSO"))?;
    let mut image = vec![0; usize::try_from(end.saturating_sub(base)).unwrap_or_default()];
    let read = std::fs::File::open("/proc/self/mem").and_then(|memory| memory.read_exact_at(&mut image, base));
    read.map_err(|error| ClockError::refused("/proc/self/mem", error))?;
    Ok(image)
}

/// Where the vDSO begins in a process: `self` or its id.
pub(crate) fn base_of(process: &str) -> Result<u64, ClockError> {
    let path = format!("/proc/{process}/auxv");
    let vector = std::fs::read(&path).map_err(|error| ClockError::refused(&path, error))?;
    let words: Vec<u64> =
        vector.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default())).collect();
    let found = words.chunks_exact(2).find(|pair| pair[0] == SYSINFO_EHDR).map(|pair| pair[1]);
    found.filter(|&base| base != 0).ok_or_else(|| ClockError::because("the kernel gives processes no vDSO"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vdso_is_read_through_either_hash_table() {
        let Ok(found) = Vdso::get() else { return };
        assert!(!found.functions.is_empty());
    }
}
