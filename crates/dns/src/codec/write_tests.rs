use super::*;

fn record(owner: &Name, data: Data) -> Record {
    Record { owner: owner.clone(), ttl: 0, data }
}

#[test]
fn names_point_at_what_stands_before_letter_for_letter() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, true);
    let question = Name::new("big.service.consul.");
    writer.header(7, 0x8500, [1, 2, 0, 1]).expect("header");
    writer.question(&question, Kind::SRV, 1).expect("question");
    let target = Name::new("c6121401.addr.dc1.consul.");
    let srv = Data::Srv { priority: 1, weight: 1, port: 8080, target: target.clone() };
    writer.record(&record(&question, srv.clone())).expect("record");
    writer.record(&record(&Name::new("big.service.consul."), srv)).expect("record");
    writer.record(&record(&target, Data::A([198, 18, 20, 1].into()))).expect("record");
    // The sizes of docs/spec/dns.md §15: 36 bytes with the question, 44 for each SRV, 16 for the glue.
    assert_eq!(out.len(), 36 + 44 + 44 + 16);
}

#[test]
fn another_case_is_another_name() {
    let size = |second: &str| {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, true);
        writer.header(7, 0, [1, 1, 0, 0]).expect("header");
        writer.question(&Name::new("a.consul."), Kind::A, 1).expect("question");
        let start = out_len(&writer);
        writer.record(&record(&Name::new(second), Data::A([1, 2, 3, 4].into()))).expect("record");
        out_len(&writer) - start
    };
    assert_eq!(size("a.consul."), 2 + 10 + 4);
    assert_eq!(size("b.consul."), 2 + 2 + 10 + 4);
    assert_eq!(size("a.CONSUL."), 10 + 10 + 4);
}

fn out_len(writer: &Writer<'_>) -> usize {
    writer.out.len()
}

#[test]
fn nothing_is_compressed_when_it_is_off() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, false);
    let name = Name::new("a.consul.");
    writer.question(&name, Kind::A, 1).expect("question");
    writer.record(&record(&name, Data::Cname(name.clone()))).expect("record");
    assert_eq!(out.len(), (10 + 4) + (10 + 10 + 10));
}

#[test]
fn many_names_keep_pointing_right() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, true);
    writer.header(1, 0x8000, [0, 2000, 0, 0]).expect("header");
    let names: Vec<_> = (0..1000).map(|index| Name::new(&format!("n{index}.node.dc1.consul."))).collect();
    let wanted: Vec<_> = names.iter().chain(&names).map(|name| record(name, Data::Cname(names[7].clone()))).collect();
    for record in &wanted {
        writer.record(record).expect("record");
    }
    assert_eq!(super::super::response(&out).expect("reply").answer, wanted);
}

#[test]
fn what_cannot_be_written() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, true);
    let owner = Name::new("a.consul.");
    let text = |length: usize| Data::Txt(vec![b'x'; length].into());
    assert_eq!(writer.record(&record(&owner, text(255))), Ok(()));
    assert_eq!(writer.record(&record(&owner, text(256))), Err(Unencodable::Text));
    assert_eq!(writer.record(&record(&Name::new("a..b."), text(1))), Err(Unencodable::Name));
    assert_eq!(writer.header(1, 0, [65_536, 0, 0, 0]), Err(Unencodable::Length));
    let big = Data::Opaque { kind: Kind(65280), rdata: vec![0; 65_530].into() };
    assert_eq!(writer.record(&record(&owner, big)), Err(Unencodable::Length));
}
