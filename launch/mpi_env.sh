# Sourced by the scripts here: lets mpirun work as root (containers, CI) and start more ranks than cores.
# Open MPI refuses both unless asked; a script that starts its own two ranks asks.
if [ "$(id -u)" = 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_rmaps_base_oversubscribe=1
