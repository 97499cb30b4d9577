# cmake -DDIRECTORY=... -DMADE_UP=FILE;FILE -DSCRATCH=... -DOUTPUT=... -DEMBED=... -P pretend.cmake: embeds the
# migrations of a directory, and after them the made-up ones under the next numbers.
file(REMOVE_RECURSE "${SCRATCH}")
file(GLOB files "${DIRECTORY}/[0-9]*.sql")
file(COPY ${files} DESTINATION "${SCRATCH}")
list(LENGTH files before)
foreach(file ${MADE_UP})
  # Four digits each.
  math(EXPR number "${before} + 10001")
  math(EXPR serves "${before} + 10000")
  string(SUBSTRING "${number}" 1 4 number)
  string(SUBSTRING "${serves}" 1 4 SERVES)
  get_filename_component(noun "${file}" NAME_WE)
  configure_file("${file}" "${SCRATCH}/${number}_${noun}.sql" @ONLY)
  math(EXPR before "${before} + 1")
endforeach()
set(DIRECTORY "${SCRATCH}")
include("${EMBED}")
