"""Functions that end an object: destructor, releases of its fields, memory back to the heap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krait.compiler.declarations import Key, Recorder
from krait.compiler.objects import c_field
from krait.compiler.references import field_is_managed, has_managed_fields, release_code
from krait.compiler.types import ArrayType, BufferType, RefType, Type, element_c, embedded_element

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo, Field
    from krait.compiler.program import Program


def class_drop(program: Program, cls: ClassInfo) -> tuple[str, list[Key]]:
    """`drop_X`, called when the count of an X reaches 0."""
    name = cls.c_name
    needs: list[Key] = [("class", cls), ("drop", cls)]
    lines = [f"struct {name} *p = object;"]
    if program.has_weak(cls):
        lines.append("if (p->weak) { p->weak->object = 0; krait_weak_release(p->weak); }")
    if cls.find_method("__del__") is not None:
        lines.append("p->count = 0x40000000u;")
        current: ClassInfo | None = cls
        found = cls.find_method("__del__")
        assert found is not None
        function = program.method(found[0], "__del__")
        needs.append(("function", function))
        cast = f"(struct {found[0].c_name} *)" if found[0] is not current else ""
        lines.append(f"{function.c_name}({cast}p);")
    following = next_field(cls)
    if following is not None:
        target = f"p->{c_field(following.name)}"
        assert isinstance(following.type, RefType)
        needs.append(("class", following.type.cls))
        lines.append(f"{following.type.c}next = {target}; {target} = 0;")
    if has_managed_fields(cls):
        needs.append(("drop_fields", cls))
        lines.append(f"drop_fields_{name}(p);")
    lines.append("krait_free(p, sizeof *p);")
    body = " ".join(lines)
    if following is not None:
        body += " if (!next || !KRAIT_COUNT_DOWN(next)) return;"
        if cls.polymorphic:
            needs.append(("vtable_type", cls.root))
            body += (
                f" if (next->vtable->drop != drop_{name}) {{ next->vtable->drop(next); return; }}"
            )
        elif not isinstance(following.type, RefType) or following.type.cls is not cls:
            raise AssertionError("a hierarchy without vtables has one class")
        body = f"for (;;) {{ {body} object = next; }}"
    return f"void drop_{name}(void *object) {{ {body} }}", needs


def next_field(cls: ClassInfo) -> Field | None:
    """The last reference to the same hierarchy: a chain along it is dropped in a loop."""
    found: Field | None = None
    for each in cls.fields.values():
        if each.how == "plain" and isinstance(each.type, RefType) and each.type.managed:
            if each.type.cls.root is cls.root:
                found = each
    return found


def fields_drop(program: Program, cls: ClassInfo) -> tuple[str, list[Key]]:
    """`drop_fields_X`: release what the fields own, in order."""
    name = cls.c_name
    recorder = Recorder()
    lines: list[str] = []
    needs: list[Key] = [("class", cls), ("drop_fields", cls)]
    for each in cls.fields.values():
        kind, target = each.type, f"p->{c_field(each.name)}"
        if not field_is_managed(kind, each.how):
            continue
        if each.how == "embedded" and isinstance(kind, RefType):
            needs.append(("drop_fields", kind.cls))
            lines.append(f"drop_fields_{kind.cls.c_name}(&{target});")
        elif isinstance(kind, ArrayType):
            element = kind.element
            if embedded_element(element) and isinstance(element, RefType):
                needs.append(("drop_fields", element.cls))
                inner = f"drop_fields_{element.cls.c_name}(&{target}[i]);"
            else:
                inner = release_code(recorder, f"{target}[i]", element)  # type: ignore[arg-type]
            lines.append(f"for (u64 i = 0; i < {kind.length}; i++) {{ {inner} }}")
        else:
            lines.append(release_code(recorder, target, kind))  # type: ignore[arg-type]
    text = f"void drop_fields_{name}(struct {name} *p) {{ {' '.join(lines)} }}"
    return text, [*needs, *recorder.needs]


def buffer_drop(program: Program, element: Type) -> tuple[str, list[Key]]:
    """`drop_buffer_T`."""
    kind = BufferType(element)
    recorder = Recorder()
    needs: list[Key] = [("type", kind), ("release_buffer", element)]
    inner = ""
    if embedded_element(element) and isinstance(element, RefType):
        needs.append(("class", element.cls))
        if has_managed_fields(element.cls):
            needs.append(("drop_fields", element.cls))
            inner = f"drop_fields_{element.cls.c_name}(&p->data[i]);"
    elif element.managed:
        inner = release_code(recorder, "p->data[i]", element)  # type: ignore[arg-type]
    loop = f"for (u64 i = 0; i < p->length; i++) {{ {inner} }} " if inner else ""
    size = f"sizeof *p + p->length * sizeof({element_c(element)})"
    text = f"void drop_{kind.tag}(struct {kind.tag} *p) {{ {loop}krait_free(p, {size}); }}"
    return text, [*needs, *recorder.needs]
