"""The nursery: one process that has imported the stack, and forks workers, services and kernels from it.

    with Nursery() as nursery:
        child = nursery.run("academy.labs.grading.worker:grade", {"lab": "…"}, env={…}, cwd=folder)
        child.wait(60)                 # exit status, negative for a signal; None when the time is over
        child.result()                 # what the function returned (JSON); raises NurseryError with the log
        child.kill()                   # ends the child and all that it started, also what daemonised itself
        info = nursery.service(Home(folder))          # as academy.service.process.up, but forked
        nursery.down(Home(folder))                    # ends the service, its jobs and its replicas

Kernels (``academy.labs.nursery.kernel``, imported apart because it needs jupyter_client):

        kernels = warm_kernels(nursery, env={…}, confine=None)   # a class, for nbclient and papermill
        NotebookClient(notebook, kernel_manager_class=kernels)
        papermill.execute_notebook(…, kernel_manager_class=kernels)
        manager = kernels(kernel_name="python3"); await manager.start_kernel(); manager.child

``env`` is the whole environment of the child; None is a copy of the owner's, or, for a confined child, a
small one without anything private. ``confine`` is a ``Confinement``; its child's tree, the namespace's
init, is ``child.root`` (give that to ``Watch``). ``log`` gets standard output and error; left out, a
file of the nursery's own, ``child.log``.

A child has a session of its own, fresh seeds, default signal handlers and no descriptor of the nursery.
What it leaves behind goes on until ``child.kill()`` or the end of the nursery. When the owner dies, even
by SIGKILL, everything ends. ``Nursery(warm=False)``, the only kind on macOS, starts new Pythons
behind the same methods. All methods may be called from several threads.

A module that is imported already warns no more: what a library says when it is first imported is not in
the outputs of a warm kernel.
"""

from academy.labs.nursery.child import Child, NurseryError
from academy.labs.nursery.owner import Nursery

__all__ = ["Child", "Nursery", "NurseryError"]
