"""Runs a command and says what it cost: wall time, CPU of all its processes, and their memory at the peak."""
import os
import resource
import subprocess
import threading
import time


class Cost:
    def __init__(self, wall, cpu, memory, resident, output, status, samples=()):
        self.wall, self.cpu, self.memory, self.resident = wall, cpu, memory, resident
        self.output, self.status, self.samples = output, status, samples

    def memory_after(self, kilobytes):
        """The peak behind the last moment at which so much was in use; the whole peak where it never was."""
        last = max((index for index, sample in enumerate(self.samples) if sample >= kilobytes), default=-1)
        return max(self.samples[last + 1:], default=0)


def _tree(root):
    """A process and everything below it, by the kernel's list of children."""
    found, todo = [], [root]
    while todo:
        process = todo.pop()
        found.append(process)
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/children") as file:
                    todo.extend(int(child) for child in file.read().split())
        except OSError:
            pass
    return found


def _memory(processes):
    """Proportional and resident memory of some processes, in kB. Proportional counts shared pages once."""
    proportional = resident = 0
    for process in processes:
        try:
            with open(f"/proc/{process}/smaps_rollup") as file:
                for line in file:
                    if line.startswith("Pss:"):
                        proportional += int(line.split()[1])
                    elif line.startswith("Rss:"):
                        resident += int(line.split()[1])
        except OSError:
            pass
    return proportional, resident


def memory_of(root):
    """Proportional and resident memory of a process and everything below it, in kB."""
    return _memory(_tree(root))


class _Sampler(threading.Thread):
    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.resident, self.running, self.samples = root, 0, True, []

    @property
    def proportional(self):
        return max(self.samples, default=0)

    def run(self):
        while self.running:
            proportional, resident = memory_of(self.root)
            self.samples.append(proportional)
            self.resident = max(self.resident, resident)
            time.sleep(0.02)


def run(command, environment=None, stdin=None, allowed=(0,), shell=False, memory=True):
    """Runs to the end. CPU is that of every process that was waited for, so a background process is not in it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, shell=shell, start_new_session=True)
    sampler = _Sampler(process.pid) if memory and os.path.isdir("/proc/self") else None
    if sampler:
        sampler.start()
    output = process.communicate()[0].decode(errors="replace")
    wall = time.monotonic() - begun
    if sampler:
        sampler.running = False
        sampler.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode not in allowed:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{output[-2000:]}")
    return Cost(wall, cpu, sampler.proportional if sampler else 0, sampler.resident if sampler else 0, output, process.returncode,
                sampler.samples if sampler else ())


def best(times, attempt):
    """The quickest of several runs: noise only ever adds."""
    return min((attempt() for _ in range(times)), key=lambda cost: cost.wall)


def machine():
    """What the figures were measured on, without anything that names the machine."""
    model = cores = "unknown"
    try:
        with open("/proc/cpuinfo") as file:
            lines = file.read().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
        with open("/proc/meminfo") as file:
            total = int(file.readline().split()[1])
        cores = f"{os.cpu_count()} cores, {total // 1_000_000} GB"
        with open("/etc/os-release") as file:
            system = next(line.split("=")[1].strip().strip('"') for line in file if line.startswith("PRETTY_NAME"))
    except OSError:
        import platform
        system = platform.system()
        cores = f"{os.cpu_count()} cores"
    return f"{model}, {cores}, {system}"
