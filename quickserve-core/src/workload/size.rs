//! Sizes as people write them: CPU and memory (ECS documentation, "Task definition parameters", task size), and
//! bytes.

use crate::document::{Decoder, Node, Value, values};

const CPU_HINT: &str = "write CPU units such as \"256\", or \"0.25 vCPU\"";
const MEMORY_HINT: &str = "write MiB such as \"512\", or \"0.5 GB\"";
const BYTES_HINT: &str = "write it with a unit, such as \"64 KiB\"";

/// CPU of a task: text with CPU units, or with `vCPU`. In 1/1024 of a core.
pub(crate) fn cpu(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    sized(decoder, node, CPU_HINT, &[("", 1.0), ("vcpu", 1024.0)])
}

/// Memory of a task: text with MiB, or with `GB`, which ECS takes for GiB. In MiB.
pub(crate) fn memory(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    sized(decoder, node, MEMORY_HINT, &[("", 1.0), ("gb", 1024.0)])
}

/// CPU in quickserve.toml, where a bare number will do.
pub(crate) fn cpu_text(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    match node.value {
        Value::Integer(_) => values::integer(1..=u32::from(u16::MAX) * 4)(decoder, node),
        _ => cpu(decoder, node),
    }
}

/// Memory in quickserve.toml, where a bare number will do, and more units.
pub(crate) fn memory_text(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    let units = &[("", 1.0), ("mb", 1.0), ("mib", 1.0), ("gb", 1024.0), ("gib", 1024.0)];
    match node.value {
        Value::Integer(_) => values::integer(6..=4_194_304)(decoder, node),
        _ => sized(decoder, node, MEMORY_HINT, units),
    }
}

/// Bytes in quickserve.toml.
pub(crate) fn bytes_text(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    const KIB: f64 = 1024.0;
    let units = &[("b", 1.0), ("kb", KIB), ("kib", KIB), ("mb", KIB * KIB), ("mib", KIB * KIB)];
    if let Value::Integer(number) = node.value {
        let hint = format!("write it with a unit, such as \"{number} KiB\"");
        decoder.wrong_type_hint(node, "a size as text", hint);
        return None;
    }
    sized(decoder, node, BYTES_HINT, units)
}

fn sized(decoder: &mut Decoder<'_>, node: &Node, hint: &str, units: &[(&str, f64)]) -> Option<u32> {
    let text = values::text(decoder, node)?;
    let parsed = parse(&text, units);
    if parsed.is_none() {
        decoder.bad_value(&node.span, format!("{text:?} is not a size"), hint);
    }
    parsed
}

fn parse(text: &str, units: &[(&str, f64)]) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = (text[..end].parse::<f64>().ok()?, text[end..].trim());
    let size = number * units.iter().find(|(name, _)| *name == unit)?.1;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range checked")]
    ((1.0..=16_777_216.0).contains(&size) && size.fract() == 0.0).then_some(size as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_ecs_reads_them() {
        let cpu = |text| parse(text, &[("", 1.0), ("vcpu", 1024.0)]);
        assert_eq!(["256", ".25 vCPU", "1vcpu", "0.5 VCPU"].map(cpu), [256, 256, 1024, 512].map(Some));
        assert_eq!(["", "abc", "1.5", "-1", "0", "1 GB", "1e3", "9999999999", "."].map(cpu), [None; 9]);
        assert_eq!(parse("1 GB", &[("gb", 1024.0)]), Some(1024));
    }
}
