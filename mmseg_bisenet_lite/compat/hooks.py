"""Fix for dropping a hook of a config."""

from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix

# The hooks that MMEngine registers by itself, as Runner.register_default_hooks lists them; only these it can drop.
OF_MMENGINE = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


@fix(
    'drop-hooks',
    broken="default_hooks.NAME=None drops only mmengine's own six hooks; for any other hook it is a bare AssertionError",
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='mmengine drops every hook of default_hooks that is None',
)
def _drop_hooks_that_are_none() -> bool:
    from mmengine.runner import Runner

    register = Runner.register_default_hooks

    def register_default_hooks(self: Any, hooks: dict | None = None) -> None:
        wanted = {name: hook for name, hook in (hooks or {}).items() if hook is not None or name in OF_MMENGINE}
        register(self, wanted)

    Runner.register_default_hooks = register_default_hooks
    return True
