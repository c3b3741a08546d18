//! What small functions become: the code of the single pass, and the intermediate language of the middle tier before Cranelift's
//! passes, which do not belong to this repository. The texts stand in `tests/listings`, what they become behind them.

use std::path::Path;
use std::sync::Arc;

use upshift_filetests::{Section, check};
use upshift_module::{DefinedFuncIndex, EntityRef};
use upshift_singlepass::FastTier;
use upshift_translate::{CodeForm, CompileRequest, EntryPoint, ModuleCompiler, Tier};

use super::lab::{GUARDED, unit_of};
use crate::CraneliftTier;

#[test]
fn code_is_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/listings");
    let fast = FastTier::new(CraneliftTier::baseline().unwrap());
    let middle = CraneliftTier::middle().unwrap();
    check(&folder, "wat", |text| {
        let unit = unit_of(text, GUARDED);
        let section = |name, compiler: Box<dyn ModuleCompiler>, form| {
            let request = CompileRequest {
                function: DefinedFuncIndex::new(0),
                entry: EntryPoint::Function,
            };
            let text = compiler.emit(request, form);
            Section::new(name, &text.unwrap_or_else(|error| panic!("{error}")))
        };
        let of_fast = fast.module_compiler(Arc::clone(&unit));
        let of_middle = middle.module_compiler(unit);
        vec![
            section("single pass", of_fast, CodeForm::Assembly),
            section("middle tier", of_middle, CodeForm::Intermediate),
        ]
    });
}
